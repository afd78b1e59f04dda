"""`check` of models that were not made here: what it says of them, and that it judges them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.ci import door
from pipeline.cli import app
from pipeline.diagnose.door import analyse
from pipeline.diagnose.finding import Finding
from pipeline.given import Given
from targets import device as devices
from targets.measurement import TimingRule

HOST = devices.load("host")
JUDGED = ("PASS", "INVALID", "INCONCLUSIVE")
"""A second is far more than these models take; but the machine may be disturbed."""
CODES = {"PASS": 0, "FAIL": 3}


def found(path: Path, rule: str) -> list[Finding]:
    return [one for one in analyse(path, HOST).findings if one.rule == rule]


def checked(
    capsys: pytest.CaptureFixture[str], model: Path, given: Given, *limits: str
) -> dict[str, object]:
    """The document of a check by a short rule, whose exit code is its verdict's."""
    stated = limits or ("latency_ms.p50=1000", "size_kb=1000")
    order = door.Order(model, limits=stated, rule=TimingRule.quick(), given=given)
    code = door.check(order, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert code == CODES.get(document["verdict"]["status"], 4)
    return document


def status(document: dict[str, object], limit: str) -> str:
    (line,) = (one for one in document["verdict"]["lines"] if one["limit"] == limit)
    return line["status"]


def test_int8_operators_that_the_delegate_leaves_alone(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = found(foreign / "pooled.tflite", "outside-partition")
    assert [one.found.split()[0] for one in outside] == ["HARD_SWISH", "AVERAGE_POOL_2D"]
    assert all("(2) in int8" in one.found and "3 parts" in one.found for one in outside)
    assert "SiLU" in outside[0].cure
    assert "mean" in outside[1].cure
    turned = found(foreign / "pooled.tflite", "transposes")
    assert "turn the model's own input" in turned[0].found
    document = checked(capsys, foreign / "pooled.tflite", Given())
    assert [one["rule"] for one in document["diagnosis"]].count("outside-partition") == 2
    assert status(document, "latency_ms.p50") in JUDGED
    assert status(document, "size_kb") == "PASS"


def test_ranges_that_are_found_at_every_inference(foreign: Path) -> None:
    (one,) = found(foreign / "dynamic.tflite", "dynamic-quantization")
    assert "CONV_2D (2)" in one.found
    assert len(one.names) == 3


def test_an_open_batch_and_weights_in_another_file(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = foreign / "batch.onnx"
    (batch,) = found(model, "dynamic-batch")
    assert batch.names == ("x",)
    assert "--input_shape 1,3,16,16" in batch.cure
    (beside,) = found(model, "external-data")
    assert beside.names == ("weights/net.bin",)
    document = checked(capsys, model, Given())
    whole = sum(file.stat().st_size for file in (model, foreign / "weights" / "net.bin"))
    assert document["artifact"]["size_bytes"] == whole
    assert document["artifact"]["inputs"][0]["shape"] == [1, 3, 16, 16]
    assert status(document, "latency_ms.p50") in JUDGED


def test_open_sizes_are_judged_by_size_until_they_are_stated(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = foreign / "sizes.xml"
    (sizes,) = found(model, "dynamic-sizes")
    assert sizes.severity == "error"
    assert "--shape x=1,3,SIZE,SIZE" in sizes.cure
    document = checked(capsys, model, Given())
    assert status(document, "latency_ms.p50") == "UNVERIFIED"
    assert "--shape" in document["verdict"]["lines"][0]["reason"]
    assert status(document, "size_kb") == "PASS"
    assert str(document["measurement"]["latency_ms"]["p50"]).startswith("unavailable")


def test_open_sizes_that_are_stated_are_measured(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = checked(capsys, foreign / "sizes.xml", Given({"x": (1, 3, 24, 32)}))
    assert document["artifact"]["inputs"][0]["shape"] == [1, 3, 24, 32]
    assert document["measurement"]["conditions"]["batch"] == "input 'x' fixed to [1, 3, 24, 32]"
    assert status(document, "latency_ms.p50") in JUDGED
    (sizes,) = (one for one in document["diagnosis"] if one["rule"] == "dynamic-sizes")
    assert sizes["severity"] == "note"


@pytest.mark.parametrize("command", ["measure", "inspect"])
def test_every_look_at_a_file_takes_sizes(foreign: Path, command: str) -> None:
    model = str(foreign / "sizes.xml")
    done = CliRunner().invoke(app, [command, model, "--shape", "x=1,3,24,32", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert "input 'x' fixed to [1, 3, 24, 32]" in json.dumps(document)
    refused = CliRunner().invoke(app, [command, model])
    assert refused.exit_code == 2
    assert "--shape x=SIZES" in refused.stderr
