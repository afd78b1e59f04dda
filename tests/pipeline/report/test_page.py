import re
from html.parser import HTMLParser

import pytest

from pipeline.report.document import Report
from pipeline.report.page import render
from pipeline.report.storage import latencies_ms

HOSTILE = "<script>alert('x')</script>\"&"
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Text, tags and attributes, and that every tag is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


@pytest.fixture
def page(report: Report, samples) -> str:
    return render(report, latencies_ms(samples))


def words(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


def test_the_verdict_comes_first(page: str):
    text = words(page)
    assert "PASS: digits on host" in text
    assert text.index("The artifact meets every limit of its budget on every runtime.") < (
        text.index("Dense and final")
    )
    for name in ("TFLite", "OpenVINO", "ONNX Runtime"):
        assert name in text


def test_every_part_is_there(page: str):
    text = words(page)
    for part in (
        *("Dense and final", "Limits", "40% of dense", "Latency, dense against final"),
        *("4,000 samples", "Change by class", "Channels kept", "body.1.depthwise.weight"),
        *("the model's output", "How it was found", "Recovery: All runtimes", "The front"),
        *("Predicted", "+15.9%", "held to 0.139 ms, from here 0.140 ms", "met every limit, chosen"),
        *("without body.2", "accuracy against latency p50, ms", "delivered", "80% of dense"),
        *("Candidates not chosen", "Conditions of measuring", "AMD EPYC", "prune: 38% of MACs"),
        *("Faster than what it came from?", "its own float32 version"),
        *("0.360 times", "0.340 to 0.380"),
        *("OpenVINO: pruned-int8, no improvement", "not told apart"),
        *("no int8 kernel", "99.81%", "packages/digits-tflite.tar.gz"),
    ):
        assert part in text, part


def test_what_stays_whole_tells_why_and_how_much_it_holds(document: dict, samples):
    rows = [
        row
        | {
            "pinned": [
                {"name": "head.weight[0]", "reason": "the model's output", "macs_share": 0.0421},
                {"name": "old.weight[0]", "reason": "of an older report"},
            ],
            "macs_pinned_share": 0.105,
            "channels": [{"name": "gate", "kept": 4, "size": 4, "reason": "kept by 'gate'"}],
        }
        for row in document["candidates"]
    ]
    text = words(render(Report.model_validate(document | {"candidates": rows}), {}))
    assert "10.5% of the dense model" in text
    assert "MACs stay whatever goes; beside each dimension" in text
    assert "head.weight[0] (4.2%): the model's output" in text
    assert "old.weight[0] : of an older report" in text
    assert "gate : kept by 'gate'" in text


def test_names_from_outside_are_inert(document: dict, samples):
    row = document["candidates"][0]
    hostile = row | {
        "channels": [{"name": HOSTILE, "kept": 1, "size": 2}],
        "pinned": [{"name": HOSTILE, "reason": HOSTILE}],
        "per_class": {HOSTILE: 0.5},
        "lineage": [HOSTILE],
        "executed": [{"type": HOSTILE, "dtype": HOSTILE, "count": 1}],
        "float_operators": [{"name": HOSTILE, "reason": HOSTILE}],
    }
    conditions = hostile["measurement"] | {"conditions": {HOSTILE: HOSTILE}}
    hostile |= {"measurement": conditions}
    baseline = [one | {"per_class": {HOSTILE: 0.6}} for one in document["baseline"]]
    changed = document | {
        "recipe": HOSTILE,
        "device": HOSTILE,
        "candidates": [hostile, *document["candidates"][1:]],
        "baseline": baseline,
        "settings": {HOSTILE: HOSTILE},
        "failures": {HOSTILE: HOSTILE},
        "gate": [document["gate"][0] | {"runtime": HOSTILE, "candidate": HOSTILE, "told": HOSTILE}],
        "search": [
            {"plan": "", "runtimes": [HOSTILE], "macs": None, "divergence": None, "meets": False},
            {
                "plan": HOSTILE,
                "runtimes": [HOSTILE],
                "macs": 0.5,
                "divergence": 1,
                "meets": False,
                "blocks": [HOSTILE],
                "unreachable": HOSTILE,
                "chosen": True,
            },
        ],
        "front": [
            one | {"stated": HOSTILE, "name": HOSTILE, "runtime": HOSTILE}
            for one in document["front"]
        ],
    }
    page = render(Report.model_validate(changed), latencies_ms(samples))
    assert "<script" not in page.lower()
    reader = read(page)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert HOSTILE in "".join(reader.text)


def test_the_page_needs_nothing_else(page: str):
    assert not re.search(r"https?://|url\(|@import|\bon\w+=", page)
    for tag, attributes in read(page).tags:
        assert tag not in {"script", "link", "img", "iframe", "object"}
        assert not {"src", "href"} & attributes.keys()


def test_pictures_and_tables_tell_what_they_are(page: str):
    tags = read(page).tags
    for tag, attributes in tags:
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes["aria-label"]
    headers = [attributes for tag, attributes in tags if tag == "th"]
    assert headers
    assert all("scope" in attributes for attributes in headers)


def test_what_was_not_measured_is_not_drawn_as_zero(document: dict):
    line = {
        "limit": "energy_mj",
        "budget": 3,
        "observed": None,
        "bound": None,
        "status": "UNVERIFIED",
        "reason": "not measured: no energy meter is attached",
    }
    row = document["candidates"][0] | {"verdict": {"status": "UNVERIFIED", "lines": [line]}}
    changed = document | {"verdict": "UNVERIFIED", "candidates": [row], "baseline": []}
    page = render(Report.model_validate(changed), {})
    text = words(page)
    assert "TFLite: Energy: not measured: no energy meter is attached." in text
    assert "n/a" in text
    assert "No distribution: the raw samples are not beside this report." in text
    assert 'aria-label="Energy' not in page


def test_a_miss_names_the_limit_and_by_how_much(document: dict, samples):
    verdict = document["candidates"][3]["verdict"]
    row = document["candidates"][1] | {"verdict": verdict}
    candidates = [document["candidates"][0], row, document["candidates"][2]]
    changed = document | {"verdict": "FAIL", "candidates": candidates}
    text = words(render(Report.model_validate(changed), latencies_ms(samples)))
    assert re.search(r"OpenVINO: Latency p95 misses its limit: 0\.\d+ ms against 0\.\d+ ms\.", text)
    assert "2 of 3 runtimes meet the budget." in text


def test_a_runtime_without_an_artifact_is_named(document: dict, samples):
    changed = document | {"failures": {"openvino": "no rule for aten::foo"}, "verdict": "FAIL"}
    text = words(render(Report.model_validate(changed), latencies_ms(samples)))
    assert "OpenVINO: no rule for aten::foo." in text


def test_a_run_without_candidates_has_a_page(document: dict):
    changed = document | {"candidates": [], "verdict": "FAIL", "search": [], "front": []}
    assert "No candidate was made." in words(render(Report.model_validate(changed), {}))


def test_a_metric_that_is_no_fraction_is_not_shown_in_percent(document: dict):
    def rename(row: dict) -> dict:
        return row | {"metrics": {"perplexity": 12.3456}, "per_class": {}}

    rows = {key: [rename(row) for row in document[key]] for key in ("baseline", "candidates")}
    metric = {"name": "perplexity", "higher_is_better": False}
    text = words(render(Report.model_validate(document | rows | {"metric": metric}), {}))
    assert "12.35" in text
    assert "Change by class" not in text
