"""One story, end to end: a trained model in, judged artifacts, packages and a report out.

Nothing here depends on timing: the ratio is given, and the limits are on size and accuracy. The
sittings are real but short.
"""

import dataclasses
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pipeline import doors, packaging
from pipeline.console import Console
from pipeline.delivery import deliver
from pipeline.doors import desk_for
from pipeline.packaging import Order
from pipeline.report import storage
from pipeline.run import execute
from pipeline.verify import Asked, verified
from targets.measurement import TimingRule

RECIPES = Path(__file__).parents[2] / "recipes"
OVERRIDES = (
    "steps.0.prune.ratio=0.375",
    "steps.1.recover.epochs=3",
    "budget={size_kb: 30% of dense, metric: {name: accuracy, max_drop: 0.05}}",
)


def run(folder):
    """A run by the quick rule: its report, and the steps made and reused."""
    order = doors.Order(RECIPES / "digits", out=folder, overrides=OVERRIDES)
    with Console(quiet=True) as console, desk_for(order, console) as desk:
        hurried = dataclasses.replace(desk, rule=TimingRule.quick())
        report = deliver(hurried, execute(hurried))
        return report, list(desk.workspace.made), list(desk.workspace.reused)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("story") / "run"
    return folder, *run(folder)


def test_every_runtime_meets_the_budget(story):
    _, report, _, _ = story
    lines = [line for row in report.selected().values() for line in row.verdict.lines]
    assert [line for line in lines if line.status != "PASS"] == []
    assert report.verdict == "PASS"
    assert set(report.selected()) == {"tflite", "openvino", "onnxruntime"}
    assert doors.exit_code(report) == 0


def test_artifacts_are_int8_smaller_and_agree_with_the_quantized_graph(story):
    _, report, _, _ = story
    for runtime, row in report.selected().items():
        assert row.artifact.size_bytes * 3 <= report.dense()[runtime].artifact.size_bytes
        assert row.agreement >= 0.99
        convolutions = [one for one in row.executed if "conv" in one.type.lower()]
        assert convolutions
        assert all(one.dtype in ("int8", "uint8") for one in convolutions)


def test_the_report_is_what_lies_in_the_folder(story):
    folder, report, _, _ = story
    assert storage.read(folder) == report
    document = json.loads((folder / "report.json").read_text())
    assert document["schema_version"] == 1
    for row in [*document["baseline"], *document["candidates"]]:
        assert (folder / row["artifact"]["path"]).is_file()
        assert (folder / row["measurement"]["samples_path"]).is_file()
    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_second_run_makes_nothing_and_says_the_same(story):
    folder, report, _, _ = story
    again, made, reused = run(folder)
    assert made == []
    assert reused
    assert again == report


@pytest.mark.parametrize("runtime", ["tflite", "openvino", "onnxruntime"])
def test_the_package_tests_itself_and_notices_one_flipped_byte(story, runtime, tmp_path):
    folder, report, _, _ = story
    with tarfile.open(folder / report.package[runtime].path) as archive:
        archive.extractall(tmp_path, filter="data")
    home = next(tmp_path.iterdir())
    assert self_test(home).returncode == 0
    manifest = json.loads((home / "manifest.json").read_text())
    model = home / manifest["model"]["path"]
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    assert self_test(home).returncode != 0


def self_test(home):
    return subprocess.run(
        [sys.executable, "-I", "run.py", "--self-test"], cwd=home, capture_output=True, check=False
    )


@pytest.mark.parametrize("platform", ["android", "ios", "linux", "mcu"])
def test_the_run_is_packaged_for_every_platform(story, platform, tmp_path):
    folder, _, _, _ = story
    if platform == "mcu":
        pytest.importorskip("tflite_micro")
    made = []
    for name in ("one", "two"):
        assert packaging.package(Order(folder, platform, out=tmp_path / name), True) == 0
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]
    for path in (tmp_path / "one").iterdir():
        found = verified(path, Asked())
        assert found.differences == ()
        assert found.ran.samples == 8


def test_the_package_that_a_run_delivers_is_that_of_the_command(story, tmp_path):
    folder, report, _, _ = story
    packaging.package(Order(folder, "linux", "openvino", out=tmp_path), True)
    delivered = folder / report.package["openvino"].path
    assert (tmp_path / delivered.name).read_bytes() == delivered.read_bytes()
