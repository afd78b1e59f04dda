"""`edgesmith check` beside a baseline, as a pipeline calls it: codes, files and refusals."""

import json
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from pipeline.cli import app


@pytest.fixture
def check(run, tmp_path):
    """Runs the command on new.onnx with a baseline; gives its code and document."""

    def call(*more: str, model: str = "new.onnx") -> tuple[int, dict]:
        asked = ["check", str(tmp_path / model), "--json", *more]
        done = CliRunner().invoke(app, asked)
        return done.exit_code, json.loads(done.stdout)

    return call


@pytest.fixture
def gate(run) -> tuple[str, ...]:
    return ("--baseline", str(run.folder), "--max-regression", "latency_ms.p50=5%")


def test_a_regression_fails_the_job_and_every_file_says_so(check, gate, times, tmp_path) -> None:
    times(old=1.0, new=1.25)
    names = {option: tmp_path / f"found.{option}" for option in ("junit", "markdown", "sarif")}
    options = [part for name, path in names.items() for part in (f"--{name}", str(path))]
    code, found = check(*gate, *options, "--annotate")
    assert (code, found["verdict"]["status"]) == (3, "FAIL")
    assert found["baseline"]["ratio"]["latency_ms.p50"]["low"] == pytest.approx(1.25)
    root = ElementTree.parse(names["junit"]).getroot()
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    assert "regression.latency\\_ms.p50" in names["markdown"].read_text()
    (result, *_) = json.loads(names["sarif"].read_text())["runs"][0]["results"]
    assert (result["level"], result["ruleId"]) == ("error", "regression.latency_ms.p50")


def test_limits_and_the_gate_are_one_verdict(check, gate, times) -> None:
    times(old=1.0, new=1.0)
    code, found = check(*gate, "--limit", "size_kb=1000")
    assert (code, len(found["verdict"]["lines"])) == (0, 2)


def test_without_the_baselines_artifact_nothing_is_decided(check, gate, run) -> None:
    run.artifact.unlink()
    code, found = check(*gate)
    assert (code, found["verdict"]["status"]) == (4, "INCONCLUSIVE")


def test_a_baseline_of_another_device_is_refused_and_the_files_say_why(
    check, gate, run, tmp_path
) -> None:
    run.write(device="raspberry-pi-5")
    code, found = check(*gate, "--junit", str(tmp_path / "j.xml"))
    assert (code, found["error"]["kind"]) == (2, "UsageError")
    assert "raspberry-pi-5" in found["error"]["message"]
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("errors") == "1"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--max-regression", "latency_ms.p50=5%"), "--baseline RUN"),
        (("--baseline", "."), "--max-regression"),
        (("--junit", "no/such/folder/j.xml"), "no such folder"),
        (("--sustained", "1", "--annotate"), "leave one of the two out"),
        ((), "check needs a limit"),
    ],
)
def test_what_can_not_be_asked_is_refused(check, options, told) -> None:
    code, found = check(*options)
    assert code == 2
    assert told in found["error"]["message"]


def test_a_baseline_is_of_one_device(check, gate) -> None:
    code, found = check(*gate, "--device", "host,raspberry-pi-5")
    assert (code, "of one device" in found["error"]["message"]) == (2, True)


def test_a_model_that_is_not_there_is_told_in_the_files_too(check, gate, tmp_path) -> None:
    code, _ = check(*gate, "--markdown", str(tmp_path / "m.md"), model="gone.onnx")
    assert code == 2
    assert "gone.onnx" in (tmp_path / "m.md").read_text()
