"""What a CI server reads: JUnit, Markdown, SARIF and annotations, and where they may be written."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.check import Checked
from pipeline.ci.annotations import annotations
from pipeline.ci.files import Files
from pipeline.ci.junit import junit
from pipeline.ci.markdown import markdown
from pipeline.ci.sarif import sarif
from pipeline.diagnose.finding import Finding
from pipeline.fleet import Outcome
from targets.budget import Line, Verdict, worst
from targets.errors import ArtifactError, EnvironmentFault, UsageError

MODEL = Path("models/net.onnx")
HOSTILE = "]]>\x00\x1b[31m</failure>&<script>|`::error::\r\n::set-output name=x::%0A" + "\udc80"


def line(status: str, limit: str = "latency_ms.p95", reason: str = "why") -> Line:
    return Line(limit, 8.0, 9.5, 9.9, status, reason, "8")


def outcome(*statuses: str, device: str = "host", reason: str = "why", **more: object) -> Outcome:
    lines = tuple(line(one, f"limit.{i}", reason) for i, one in enumerate(statuses))
    document = {
        "model": str(MODEL), "device": device, "runtime": "onnxruntime", "notes": [reason],
        "artifact": {"size_bytes": 12_345},
        "measurement": {
            "latency_ms": {"p50": 1.25, "p99": "unavailable: too few"},
            "peak_memory_mb": 3.0, "load_ms": 5.0,
        },
        **more,
    }  # fmt: skip
    return Outcome(device, Checked(document, Verdict(worst(statuses), lines)))


def test_junit_has_a_case_for_each_limit_and_nothing_open_is_green() -> None:
    found = [outcome("PASS", "FAIL", "INCONCLUSIVE", "INVALID", "UNVERIFIED"),
             Outcome("pi5", ArtifactError("it is broken"))]  # fmt: skip
    root = ElementTree.fromstring(junit(MODEL, found).encode())
    assert root.attrib == {"name": "edgesmith check", "tests": "6", "failures": "1", "errors": "4"}
    first, second = root.findall("testsuite")
    assert first.attrib == {"name": "models/net.onnx on host", "tests": "5", "failures": "1",
                            "errors": "3", "skipped": "0"}  # fmt: skip
    kinds = [[child.tag for child in case] for case in first]
    assert kinds == [["system-out"], ["failure"], *[["error"]] * 3]
    case = first[1]
    assert (case.get("classname"), case.get("name")) == ("edgesmith.host.net.onnx", "limit.1")
    assert case[0].get("type") == "FAIL"
    assert "observed 9.5" in case[0].get("message")
    assert second[0][0].attrib == {"type": "ArtifactError", "message": "it is broken"}


def test_markdown_shows_limits_readings_and_the_baseline() -> None:
    beside = {
        "candidate": "final",
        "run": "runs/main",
        "sha256": "ab" * 32,
        "notes": ["the inputs"],
    }
    text = markdown(MODEL, [outcome("FAIL", baseline=beside), Outcome("pi5", UsageError("no"))])
    assert text.startswith("## edgesmith check: models/net.onnx\n\n### host, onnxruntime: FAIL\n")
    assert "| limit.0 | 8 | 9.5 | 9.9 | FAIL | why |" in text
    assert "| latency p50, ms | 1.25 |" in text
    assert "| latency p99, ms | unavailable: too few |" in text
    assert "| size, kB | 12.35 |" in text
    assert "Baseline: final of runs/main, sha256 `abababababab`. the inputs." in text
    assert text.endswith("### pi5: not checked\n\nno\n")


def test_what_is_slow_is_shown_and_fails_nothing() -> None:
    slow = Finding("outside-partition", "warning", "HARD_SWISH | outside", "use SiLU", ("a",))
    checked = outcome("PASS").found
    assert isinstance(checked, Checked)
    outcomes = [Outcome("host", replace(checked, findings=(slow,)))]
    assert "| HARD\\_SWISH \\| outside | use SiLU |" in markdown(MODEL, outcomes)
    (result,) = json.loads(sarif(MODEL, outcomes))["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("outside-partition", "note")
    assert ElementTree.fromstring(junit(MODEL, outcomes).encode()).get("failures") == "0"


def test_sarif_has_a_result_for_all_that_is_not_met() -> None:
    found = json.loads(
        sarif(MODEL, [outcome("PASS", "FAIL", "INVALID"), Outcome("pi5", ArtifactError("broken"))])
    )
    assert (found["version"], len(found["runs"])) == ("2.1.0", 1)
    driver, results = found["runs"][0]["tool"]["driver"], found["runs"][0]["results"]
    assert driver["name"] == "edgesmith"
    assert [rule["id"] for rule in driver["rules"]] == ["limit.1", "limit.2", "ArtifactError"]
    assert [one["level"] for one in results] == ["error", "warning", "error"]
    for index, one in enumerate(results):
        assert (one["ruleIndex"], one["ruleId"]) == (index, driver["rules"][index]["id"])
        place = one["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "models/net.onnx"
        assert place["region"]["startLine"] == 1
        assert one["message"]["text"].startswith("net.onnx on ")


def test_a_check_that_is_in_order_has_no_results() -> None:
    found = json.loads(sarif(MODEL, [outcome("PASS")]))["runs"][0]
    assert (found["results"], found["tool"]["driver"]["rules"]) == ([], [])
    assert annotations(MODEL, [outcome("PASS")]) == ""


def test_a_path_elsewhere_is_written_whole_and_escaped() -> None:
    found = json.loads(sarif(Path("/a b/ü%.onnx"), [outcome("FAIL")]))["runs"][0]
    place = found["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "file:///a%20b/%C3%BC%25.onnx"


def test_annotations_are_one_line_each() -> None:
    text = annotations(Path("a,b:c.onnx"), [outcome("FAIL", "INVALID", reason="50%\nof it")])
    first, second = text.splitlines()
    assert first.startswith("::error file=a%2Cb%3Ac.onnx,title=limit.0 on host::FAIL: limit.0; ")
    assert first.endswith("50%25%0Aof it")
    assert second.startswith("::warning ")


@given(st.one_of(st.just(HOSTILE), st.text(st.characters(), max_size=40)))
def test_whatever_a_file_or_runtime_says_stays_text(said: str) -> None:
    """Text from outside makes no tag, no cell, no command and no document that can't be read."""
    found = [outcome("FAIL", reason=said, device="host"), Outcome("pi5", ArtifactError(said))]
    root = ElementTree.fromstring(junit(MODEL, found).encode("utf-8", "strict"))
    assert [len(suite) for suite in root] == [1, 1]
    assert len(json.loads(sarif(MODEL, found))["runs"][0]["results"]) == 2
    commands = annotations(MODEL, found).split("\n")
    assert [one.startswith("::error file=") for one in commands] == [True, True, False]
    assert not any("\r" in one for one in commands)
    (row,) = [one for one in markdown(MODEL, found).splitlines() if one.startswith("| limit.0 ")]
    assert row.replace("\\|", "").count("|") == 7


def test_files_are_written_whatever_is_asked_for(tmp_path) -> None:
    asked = Files(tmp_path / "j.xml", tmp_path / "s.md", tmp_path / "s.sarif")
    asked.check(MODEL)
    asked.write(MODEL, [outcome("FAIL", reason=HOSTILE)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j.xml", "s.md", "s.sarif"]
    for path in tmp_path.iterdir():
        path.read_text(encoding="utf-8")
    Files().write(MODEL, [outcome("FAIL")])


def test_what_can_not_be_written_is_told_before_anything_is_measured(tmp_path) -> None:
    model, good = tmp_path / "net.onnx", tmp_path / "j.xml"
    model.write_bytes(b"")
    with pytest.raises(UsageError, match=r"--junit .*net\.onnx: that is the model"):
        Files(junit=model).check(model)
    with pytest.raises(UsageError, match=r"--markdown .*where --junit goes"):
        Files(junit=good, markdown=good).check(model)
    with pytest.raises(UsageError, match=r"--sarif .*no such folder; make"):
        Files(sarif=tmp_path / "none" / "s.sarif").check(model)
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError, match="not a file"):
            Files(junit=path).check(model)


def test_a_full_disk_is_told(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.disk.os.fsync", full)
    with pytest.raises(EnvironmentFault, match="free some space"):
        Files(junit=tmp_path / "j.xml").write(MODEL, [outcome("FAIL")])
