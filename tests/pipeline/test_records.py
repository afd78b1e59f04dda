"""`edgesmith runs`: finished and unfinished run folders."""

import json

from typer.testing import CliRunner

from pipeline.cli import app


def test_an_unfinished_run_is_listed_as_such(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_text(json.dumps({"schema_version": 1, "recipe": "one"}))
    result = CliRunner().invoke(app, ["runs", str(tmp_path), "--json"])
    assert result.exit_code == 0
    assert [row["verdict"] for row in json.loads(result.stdout)] == ["unfinished"]


def test_no_folder_of_runs_says_how_to_make_one(tmp_path):
    result = CliRunner().invoke(app, ["runs", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "edgesmith run" in result.output


def test_a_folder_without_a_report_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert "report.json" in result.output
