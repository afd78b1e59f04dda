import json
from pathlib import Path

import pytest

from pipeline.report import storage
from pipeline.report.document import Report
from targets.errors import ArtifactError


def test_what_is_written_can_be_read(report: Report, samples, tmp_path: Path):
    path = storage.write(report, samples, tmp_path)
    assert path == tmp_path / "report.json"
    assert storage.read(tmp_path) == report
    assert storage.read_samples(report, tmp_path) == samples
    names = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert names == {"report.json", "report.html", *samples}


def test_the_page_can_be_drawn_again(report: Report, samples, tmp_path: Path):
    storage.write(report, samples, tmp_path)
    first = (tmp_path / "report.html").read_text()
    (tmp_path / "report.html").unlink()
    assert storage.redraw(tmp_path).read_text() == first


def test_the_json_is_strict(report: Report, samples, tmp_path: Path):
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    path = storage.write(report, samples, tmp_path)
    json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "Invalid JSON"),
        ("{}", "recipe: Field required"),
        ('{"schema_version": 2}', "schema_version: Input should be 1"),
    ],
)
def test_a_damaged_report_is_refused_with_its_key(tmp_path: Path, content: str, told: str):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ArtifactError, match=told):
        storage.read(tmp_path)


def test_a_folder_without_a_report_is_named(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no report can be read here"):
        storage.read(tmp_path)


def test_damaged_samples_are_named(report: Report, samples, tmp_path: Path):
    storage.write(report, samples, tmp_path)
    path = next(iter(samples))
    (tmp_path / path).write_text('{"processes": 3}')
    with pytest.raises(ArtifactError, match=path):
        storage.redraw(tmp_path)


@pytest.mark.parametrize("path", ["../out.json", "/etc/out.json", "samples/../../out.json"])
def test_samples_stay_in_the_folder(report: Report, samples, tmp_path: Path, path: str):
    with pytest.raises(ArtifactError, match="leads out"):
        storage.write(report, {path: next(iter(samples.values()))}, tmp_path / "run")


def test_a_samples_path_is_safe_for_any_name():
    assert storage.samples_path("pruned-int8", "tflite") == "samples/pruned-int8-tflite.json"
    assert storage.samples_path("../<x> y", "tflite") == "samples/x-y-tflite.json"
