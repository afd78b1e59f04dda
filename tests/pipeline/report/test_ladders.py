"""What the page says of quantization: the rungs that were tried, placement, doubts about data."""

import pytest

from pipeline.ladder import Method, Outcome, Rung
from pipeline.report import ladders
from pipeline.report.climbed import rung_row
from pipeline.report.document import Metric, Report
from pipeline.report.page import render

ACCURACY = Metric(name="accuracy")
PLAIN = Method("least-squares")
OUTCOMES = (
    Outcome(Rung("least-squares", "range", PLAIN), 0.41, 0.5744, 0.9, 0.021, 0.5644),
    Outcome(Rung("entropy", "range", Method("entropy")), reason="its converter changed the model"),
    Outcome(Rung("equalized", "equalized", Method("least-squares", equalized=True)), 0.98, 0.0044,
            None, 0.022, -0.0056, "PASS"),
)  # fmt: skip


@pytest.fixture
def climbed(document) -> Report:
    row, *others = document["candidates"]
    told = "the last doubling of samples, to 64, widened 9 of 12 ranges"
    row = {
        **row,
        "rungs": [rung_row(one).model_dump() for one in OUTCOMES],
        "placed": "all hardswish in float: 81% of the time",
        "findings": [{"kind": "unsettled-ranges", "message": told, "evidence": {"growing": 9}}],
        "aware": row["training"],
        "aware_history": row["history"],
    }
    return Report.model_validate({**document, "candidates": [row, *others]})


def test_every_rung_has_its_figures_or_its_reason(climbed):
    rows = tuple(climbed.selected().values())
    (one,) = ladders.ladders(rows, ACCURACY)
    assert one.runtime == "TFLite"
    assert one.placed == "all hardswish in float: 81% of the time"
    plain, failed, kept = one.rungs
    assert (str(plain.metric), str(plain.drop)) == ("41.00%", "\N{MINUS SIGN}57.44 pt")
    assert failed.row.reason == "its converter changed the model"
    assert failed.metric.reason == "no artifact"
    assert (kept.row.chosen, kept.row.holds, kept.row.status) == (True, True, "PASS")
    assert kept.class_drop.reason == "not limited"


def test_doubts_are_told_by_the_runtimes_that_share_them(climbed):
    (one,) = ladders.findings(tuple(climbed.selected().values()))
    assert one.runtimes == "TFLite"
    assert "widened 9 of 12 ranges" in one.value[0]


def test_the_page_shows_ladder_placement_doubts_and_training(climbed):
    page = render(climbed, {})
    for told in (
        "How it was quantized",
        "ranges by least-squares, equalized, biases corrected",
        "its converter changed the model",
        "Placement: all hardswish in float: 81% of the time.",
        "widened 9 of 12 ranges",
        "Quantization-aware training: TFLite",
    ):
        assert told in page


def test_a_page_without_a_ladder_has_no_such_section(report):
    assert "How it was quantized" not in render(report, {})
