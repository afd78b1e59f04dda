"""Finding what a run delivered: by its sha256, on its device, and nowhere outside its folder."""

import shutil

import pytest

from pipeline.ci.baseline import find
from targets import device
from targets.errors import ArtifactError, UsageError

HOST = device.load("host")


def test_the_artifact_is_found_where_the_report_says(run) -> None:
    found = find(run.folder, "onnxruntime", HOST)
    assert (found.path, found.row.name, found.recipe) == (run.artifact, "final", "tiny")
    assert find(run.folder / "report.json", "onnxruntime", HOST) == found


def test_a_moved_artifact_is_found_by_its_sha256(run) -> None:
    (run.folder / "steps").mkdir()
    moved = run.folder / "steps" / "model.onnx"
    shutil.move(run.artifact, moved)
    assert find(run.folder, "onnxruntime", HOST).path == moved


@pytest.mark.parametrize(("change", "told"), [("remove", "is not there"), ("damage", "another")])
def test_without_its_bytes_there_is_no_artifact_and_a_reason(run, change, told) -> None:
    if change == "remove":
        run.artifact.unlink()
    else:
        run.artifact.write_bytes(b"another model")
    found = find(run.folder, "onnxruntime", HOST)
    assert found.path is None
    assert told in found.missing
    assert found.row.artifact.sha256[:12] in found.missing


def test_a_baseline_of_another_device_is_refused(run) -> None:
    run.write(device="raspberry-pi-5")
    with pytest.raises(UsageError, match=r"'raspberry-pi-5'.* 'host'.*--device raspberry-pi-5"):
        find(run.folder, "onnxruntime", HOST)


def test_a_runtime_that_the_run_has_not_is_refused(run) -> None:
    with pytest.raises(UsageError, match=r"no artifact for tflite.* onnxruntime"):
        find(run.folder, "tflite", HOST)


@pytest.mark.parametrize("path", ["../new.onnx", "/etc/passwd", "a/../../new.onnx"])
def test_a_path_out_of_the_folder_is_refused(run, path) -> None:
    run.write(path=path)
    with pytest.raises(ArtifactError, match="leads out of"):
        find(run.folder, "onnxruntime", HOST)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema_version": 2}', "\x00"])
def test_what_is_no_report_is_told(run, content) -> None:
    (run.folder / "report.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"report\.json"):
        find(run.folder, "onnxruntime", HOST)


def test_what_is_no_run_is_told(tmp_path) -> None:
    with pytest.raises(ArtifactError, match="no report can be read"):
        find(tmp_path, "onnxruntime", HOST)
