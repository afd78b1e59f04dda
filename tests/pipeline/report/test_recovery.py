"""What the page says of recovery."""

import pytest

from pipeline.report import sections
from pipeline.report.document import Metric, Report, Row, Training


@pytest.fixture
def rows(document):
    return tuple(Report.model_validate(document).selected().values())


def test_it_tells_what_was_spent(rows):
    (one,) = sections.recoveries(rows, Metric(name="accuracy"))
    assert one.runtimes == "All runtimes"
    assert one.value.told == (
        "Asked for 2 minutes: 4 epochs, 124 batches, 120 s, in fp32; learnt from the dense model: "
        "outputs, temperature 4, weight 0.9. The epochs are judged, and one of them is kept, by "
        "the validation split."
    )


def test_it_draws_the_learning_rate(rows):
    (one,) = sections.recoveries(rows, Metric(name="accuracy"))
    assert one.value.rates is not None
    assert len(one.value.rates.points.split()) == 4
    assert str(one.value.highest) == "0.00200"


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"seconds": None}, "124 batches, in fp32"), ({"distilled": ""}, "in fp32. The epochs")],
)
def test_what_there_was_not_is_not_told(rows, change, expected):
    row = rows[0].model_copy(update={"training": rows[0].training.model_copy(update=change)})
    (one,) = sections.recoveries((row,), Metric(name="accuracy"))
    assert expected in one.value.told


def test_a_run_without_the_facts_has_its_epochs(rows):
    row = rows[0].model_copy(update={"training": None})
    (one,) = sections.recoveries((row,), Metric(name="accuracy"))
    assert one.value.told == ""
    assert one.value.rates is None
    assert len(one.value.epochs) == 4


def test_the_run_folder_s_facts_are_the_report_s():
    from pipeline.recover import Training as Spent
    from pipeline.recover.history import Rate

    spent = Spent("1 epoch", 1, 12, None, "bf16", "", (Rate(1, 1e-4), Rate(12, 1e-6)))
    told = Training.model_validate(spent.to_json())
    assert (told.batches, told.rates[1].learning_rate, told.seconds) == (12, 1e-6, None)
    assert Row.model_fields["training"].default is None
