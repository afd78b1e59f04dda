from rich.console import Console

from pipeline.report.document import Report
from pipeline.report.table import table


def printed(report: Report, width: int = 80) -> str:
    console = Console(width=width, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(table(report))
    return captured.get()


def test_the_table_fits_eighty_columns_without_cutting(report: Report):
    text = printed(report)
    assert "…" not in text
    dense, final = next(
        (line, after)
        for line, after in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if line.lstrip().startswith("ONNX Runtime")
    )
    assert dense.split()[2:] == [
        "dense",
        "0.721",
        "0.748",
        "2.10",
        "494.1",
        "98.44%",
        "8",
        "99.40%",
    ]
    assert final.split() == [
        *(
            "final",
            "0.264",
            "0.275",
            "2.12",
            "61.7",
            "98.08%",
            "8",
            "\N{MINUS SIGN}3.10",
            "pt",
            "PASS",
        )
    ]


def test_names_are_shown_as_they_are(document: dict):
    named = {
        key: [row | {"per_class": {"[red]x[/red]": 0.5}} for row in document[key]]
        for key in ("baseline", "candidates")
    }
    assert "[red]x[/red]" in printed(Report.model_validate(document | named), 200)


def test_a_runtime_without_an_artifact_has_its_line(document: dict):
    kept = [row for row in document["candidates"] if row["runtime"] != "tflite"]
    changed = document | {"candidates": kept, "failures": {"tflite": "no kernel"}}
    told = printed(Report.model_validate(changed), 80)
    assert "TFLite" in told and "none" in told
    assert "TFLite: no kernel" in told  # below, so that no column has to make room for it
