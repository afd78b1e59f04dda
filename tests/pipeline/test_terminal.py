"""Names come from strangers' files: what is printed shows them, and none of them acts."""

import io
import re
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from rich.table import Table
from typer.testing import CliRunner

import pipeline
from pipeline.check import print_verdict
from pipeline.cli import app
from pipeline.console import Console
from pipeline.diagnose.view import print_diagnosis
from pipeline.terminal import Terminal
from targets.budget import Line, Verdict

HOSTILE = "x[batch] [/x] :fire: [bold]"
MADE = re.compile(r"^from rich\.console import|\bRichConsole\(", re.MULTILINE)


def shown(*what: object, **how: object) -> str:
    out = io.StringIO()
    console = Terminal(file=out, width=200, **how)
    for one in what:
        console.print(one)
    return out.getvalue()


def test_text_is_shown_as_it_is():
    cells = Table(HOSTILE, title=HOSTILE)
    cells.add_row(HOSTILE)
    assert shown(HOSTILE).strip() == HOSTILE
    assert shown(cells).count(HOSTILE) == 3


def test_a_terminals_commands_do_not_reach_it():
    cells = Table()
    cells.add_row("a\x1b]0;title\x07b")
    assert "\x1b" not in shown("a\x1b[2Jb", cells, highlight=False)


def test_a_verdict_and_a_diagnosis_tell_names_as_they_are():
    line = Line("size_kb", 1.0, None, None, "UNVERIFIED", HOSTILE, "")
    out = io.StringIO()
    console = Terminal(file=out, width=200)
    print_verdict(Verdict("UNVERIFIED", (line,)), console)
    finding = {"severity": "high", "rule": "r", "found": HOSTILE, "cure": HOSTILE}
    print_diagnosis([finding], console)
    assert out.getvalue().count(HOSTILE) == 3


@pytest.mark.parametrize("interactive", [True, False])
def test_a_step_tells_names_as_they_are(interactive: bool, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR" if interactive else "NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with Console() as console:
        console.step(HOSTILE)
        console.progress(HOSTILE, 0.5)
        console.remark(HOSTILE)
    assert capsys.readouterr().err.count(HOSTILE) >= 2


def test_check_of_an_input_whose_name_is_markup(tmp_path: Path):
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, "n"]) for n in ("[/x]", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["[/x]"], ["y"])], "g", ends[:1], ends[1:])
    opset = helper.make_opsetid("", 17)
    model = tmp_path / "open.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), model)
    done = CliRunner().invoke(app, ["check", str(model), "--limit", "latency_ms.p50=5"])
    assert done.exit_code == 4, done.stderr
    assert "[/x]" in done.stdout


def test_nothing_is_printed_past_it():
    root = Path(pipeline.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if MADE.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"terminal.py", "verify_view.py"}  # the second one's lines are made visible
