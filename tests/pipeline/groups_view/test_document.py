"""The view of groups: what hangs together, its shares, what is pinned and why."""

import io
import json
import re

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from pipeline.cli import app
from pipeline.graph import Graph, trace
from pipeline.groups_view.document import Groups, examine
from pipeline.groups_view.page import render
from pipeline.groups_view.table import blocks, pinned, summary, table
from pipeline.recipe_steps import Prune
from targets.errors import UsageError


class Net(nn.Module):
    """Two groups that can be pruned, one too narrow, and one whose order is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3)
        self.wide = nn.Conv2d(16, 24, 1)
        self.narrow = nn.Conv2d(24, 4, 1)
        self.ordered = nn.Linear(4, 10)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.narrow(self.wide(self.stem(x).relu()).relu()).mean((2, 3))
        return self.head(torch.cumsum(self.ordered(x), 1))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return trace(Net(), (torch.zeros(1, 3, 8, 8),))


@pytest.fixture(scope="module")
def found(graph: Graph) -> Groups:
    return examine("net", graph, Prune(ratio=0.5, multiple=8, keep=("wide",)))


def test_groups_tell_their_size_share_and_reason(found: Groups) -> None:
    told = {one.name: (one.size, one.least, one.reason) for one in found.groups}
    assert told == {
        "stem.weight[0]": (16, 16, "kept by 'wide'"),
        "wide.weight[0]": (24, 24, "kept by 'wide'"),
        "narrow.weight[0]": (4, 4, "no more than 4 channels"),
    }
    # 36 pixels of 27·16, 16·24 and 24·4; 4·10 and 10·5 once
    assert found.macs == 36 * (432 + 384 + 96) + 40 + 50
    assert found.groups[0].macs_share == pytest.approx(36 * (432 + 384) / found.macs)
    assert found.groups[0].parameters == ("stem.weight[0]", "stem.bias[0]", "wide.weight[1]")
    assert (found.macs_pinned_share, found.parameters_pinned_share) == (1.0, 1.0)


def test_what_may_go_is_not_pinned(graph: Graph) -> None:
    found = examine("net", graph, None)
    assert [one.reason for one in found.groups] == [None, None, "no more than 4 channels"]
    assert found.macs_pinned_share == pytest.approx(90 / found.macs)
    assert {one.name for one in found.pinned} >= {"ordered.weight[0]", "head.weight[0]"}
    assert all(one.reason for one in found.pinned)


def test_pinned_dimensions_tell_the_macs_that_they_hold(graph: Graph) -> None:
    """What runs between two pinned dimensions stays; what meets one that may go, does not."""
    held = {one.name: one.macs_share for one in examine("net", graph, None).pinned}
    macs = 36 * (432 + 384 + 96) + 90
    # 4 inputs, too few to go, times 10; 10 times 5 outputs
    assert held["ordered.weight[0]"] == pytest.approx(40 / macs)
    assert held["head.weight[0]"] == held["head.weight[1]"] == pytest.approx(50 / macs)
    assert held["stem.weight[1]"] == 0
    all_kept = examine("net", graph, Prune(ratio=0.5, keep=("*",)))
    shares = {one.name: one.macs_share for one in all_kept.pinned}
    assert shares["stem.weight[1]"] == pytest.approx(36 * 432 / macs)
    assert all_kept.macs_pinned_share == 1.0


def test_bounds_and_grid_show_in_the_least_width(graph: Graph) -> None:
    found = examine(
        "net", graph, Prune(ratio=0.5, multiple=8, bounds={"wide.weight[0]": (0.5, 24)})
    )
    assert [one.least for one in found.groups] == [8, 16, 4]


class Residual(nn.Module):
    """A branch that can go whole."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x + self.body(x).relu())


def test_blocks_are_told_with_their_shares() -> None:
    found = examine("net", trace(Residual(), (torch.zeros(1, 6),)), None)
    assert [(one.name, one.reason) for one in found.blocks] == [("body", None)]
    assert found.blocks[0].macs_share == pytest.approx(256 / (96 + 256 + 48))
    console = Console(file=io.StringIO(), width=100)
    console.print(blocks(found))
    assert "body" in console.file.getvalue()
    assert "Blocks</h2>" in render(found)


def test_a_pattern_that_matches_nothing_is_refused(graph: Graph) -> None:
    with pytest.raises(UsageError, match=r"keep: 'wied' matches no group.* nearest names are wide"):
        examine("net", graph, Prune(ratio=0.5, keep=("wied",)))


def test_the_table_tells_every_group_and_reason(found: Groups) -> None:
    console = Console(file=io.StringIO(), width=100)
    for line in summary(found):
        console.print(line)
    console.print(table(found))
    console.print(pinned(found))
    text = console.file.getvalue()
    told = ("stem.weight[0]", "kept by 'wide'", "cumsum", "0 of 3", "holds MACs", "0.1%")
    assert all(word in text for word in told)


def test_the_page_is_whole_and_offline(found: Groups) -> None:
    page = render(found)
    assert all(one.name in page for one in (*found.groups, *found.pinned))
    assert "kept by &#39;wide&#39;" in page
    assert not re.search(r"https?:|<script|<link|url\(", page)


def test_names_from_outside_are_escaped(found: Groups) -> None:
    group = found.groups[0].model_copy(update={"name": "<b>x</b>"})
    page = render(found.model_copy(update={"groups": (group,), "recipe": "<i>"}))
    assert "<b>x" not in page
    assert "<i>" not in page


TASK = """
import torch
from torch.nn import Linear, ReLU, Sequential
def build(): return Sequential(Linear(3, 8), ReLU(), Linear(8, 2))
def example_inputs(): return (torch.zeros(1, 3),)
def batches(split): return [(torch.zeros(2, 3), torch.zeros(2).long())]
metrics = ["accuracy"]
"""
RECIPE = "version: 1\nbudget: {size_kb: 10}\nsteps: [prune: {ratio: 0.5}]\n"


def test_the_command_prints_one_document_and_writes_the_page(tmp_path, capsys) -> None:
    (tmp_path / "task.py").write_text(TASK)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    page = tmp_path / "groups.html"
    with pytest.raises(SystemExit) as ended:
        app(["groups", str(tmp_path), "--json", "--html", str(page)], standalone_mode=False)
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert [group["name"] for group in document["groups"]] == ["0.weight[0]"]
    assert "0.weight[0]" in page.read_text()
