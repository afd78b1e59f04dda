import json

import pytest
from pydantic import ValidationError

from pipeline.report.document import Report, Row, RowVerdict, Unavailable
from targets.budget import Line, Verdict


def test_the_document_survives_a_round_trip(report: Report):
    again = Report.model_validate_json(report.model_dump_json())
    assert again == report


def test_the_keys_are_the_promised_ones(report: Report):
    written = json.loads(report.model_dump_json())
    assert written["schema_version"] == 1
    promised = {"recipe", "device", "verdict", "baseline", "candidates", "package"}
    assert promised <= written.keys()
    row = written["candidates"][0]
    assert row.keys() >= {
        *("name", "runtime", "artifact", "metrics", "per_class", "measurement"),
        *("verdict", "lineage", "selected"),
    }
    assert row["artifact"].keys() == {"path", "format", "sha256", "size_bytes", "gzip_bytes"}
    assert row["measurement"].keys() == {
        *("latency_ms", "peak_memory_mb", "load_ms", "first_inference_ms", "energy_mj"),
        *("provenance", "conditions", "samples_path"),
    }
    assert row["measurement"]["latency_ms"].keys() == {"p50", "p90", "p95", "p99"}
    line = row["verdict"]["lines"][0]
    assert line.keys() >= {"limit", "budget", "observed", "bound", "status", "reason"}


def test_a_reading_that_is_missing_is_never_a_number(report: Report):
    energy = report.baseline[0].measurement.energy_mj
    assert energy == Unavailable(unavailable="no limit asked for it")
    written = json.loads(report.model_dump_json())["baseline"][0]["measurement"]["energy_mj"]
    assert written == {"unavailable": "no limit asked for it"}


def test_a_verdict_is_taken_as_the_judge_made_it():
    line = Line("energy_mj", None, None, float("nan"), "UNVERIFIED", "not measured", "3")
    verdict = RowVerdict.model_validate(Verdict("UNVERIFIED", (line,)))
    (told,) = verdict.lines
    assert told.observed == Unavailable(unavailable="not measured")
    assert told.bound == Unavailable(unavailable="not a finite number")
    assert json.loads(verdict.model_dump_json())["lines"][0]["stated"] == "3"


def test_an_unknown_key_is_refused(document: dict):
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate(document | {"surprise": 1})


def test_each_runtime_has_one_selected_candidate(document: dict):
    doubled = [*document["candidates"], document["candidates"][0]]
    with pytest.raises(ValidationError, match="2 candidates for tflite"):
        Report.model_validate(document | {"candidates": doubled})
    with pytest.raises(ValidationError, match="baseline row is selected"):
        Report.model_validate(document | {"baseline": document["candidates"]})


def test_a_group_keeps_no_more_channels_than_it_has(document: dict):
    row = document["candidates"][0] | {"channels": [{"name": "a", "kept": 9, "size": 8}]}
    with pytest.raises(ValidationError, match="9 of 8"):
        Row.model_validate(row)


def test_values_are_frozen(report: Report):
    with pytest.raises(ValidationError, match="frozen"):
        report.verdict = "FAIL"
