import json

from pipeline.cost import door
from pipeline.cost.document import CostReport, cost_of


def test_the_text_tells_what_the_document_holds(built, tmp_path, capsys) -> None:
    cost = cost_of(built, tmp_path / "table.json", reused=False)
    report = CostReport(
        recipe="net", device="host", costs=(cost,), failures={"tflite": "it can't take aten.odd"}
    )
    door._print(report)
    text = capsys.readouterr().out
    assert f"{len(built.measured()) - cost.windows} models and {cost.windows} windows" in text
    assert "models that the fit never saw: off by" in text
    assert "energy: unavailable: no energy meter is attached" in text
    assert "tflite: it can't take aten.odd" in text
    assert all(one.name in text for one in cost.error.models)
    again = CostReport.model_validate_json(json.dumps(report.model_dump(mode="json")))
    assert again == report


def test_a_table_without_kept_models_has_no_error(built, tmp_path) -> None:
    seen = tuple(one for one in built.probes if one.role != "unseen")
    cost = cost_of(built.model_copy(update={"probes": seen}), tmp_path / "t.json", reused=True)
    assert cost.error is None
    assert any("unavailable" in line for line in door._lines(cost))
