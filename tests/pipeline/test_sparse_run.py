"""A run that zeroes single weights tells what that buys: speed with and without, size gzipped."""

import dataclasses
from pathlib import Path

import pytest

from pipeline.console import Console
from pipeline.delivery import deliver
from pipeline.doors import Order, desk_for
from pipeline.report.document import Report
from pipeline.run import execute
from targets.measurement import TimingRule

pytestmark = pytest.mark.slow
TASK = """\
import torch
from torch import nn

metrics = ["accuracy"]


def build():
    return nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
                         nn.Linear(256, 4))


def example_inputs():
    return (torch.zeros(1, 16),)


def batches(split):
    draw = torch.Generator().manual_seed(len(split))
    yield torch.randn(64, 16, generator=draw), torch.arange(64) % 4
"""
RECIPE = """\
version: 1
runtimes: [onnxruntime]
budget: {size_kb: 500}
steps:
  - prune: {granularity: weight, pattern: "2:4"}
  - quantize: {}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("sparse")
    (folder / "task.py").write_text(TASK)
    (folder / "recipe.yaml").write_text(RECIPE)
    with Console(quiet=True) as console, desk_for(Order(folder, folder / "out"), console) as desk:
        hurried = dataclasses.replace(desk, rule=TimingRule.quick())
        return deliver(hurried, execute(hurried)), folder / "out"


def test_the_sparse_one_is_chosen_and_the_same_without_stands_beside(found) -> None:
    report, _ = found
    rows = {row.name: row for row in report.candidates}
    assert {name: row.selected for name, row in rows.items()} == {
        "pruned-2of4-int8": True,
        "unpruned-int8": False,
    }
    sparse, whole = rows["pruned-2of4-int8"], rows["unpruned-int8"]
    assert "50% of weights zero" in " ".join(sparse.lineage)
    for row in (sparse, whole):
        assert isinstance(row.measurement.latency_ms.p50, float)
    assert sparse.artifact.size_bytes == pytest.approx(whole.artifact.size_bytes, rel=0.02)
    assert sparse.artifact.gzip_bytes < 0.9 * whole.artifact.gzip_bytes


def test_the_page_tells_the_compressed_size(found) -> None:
    report, folder = found
    page = (folder / "report.html").read_text()
    assert f"{report.selected()['onnxruntime'].artifact.gzip_bytes / 1000:,.1f}" in page
    assert page.count("gzipped") >= 3
    assert "unpruned-int8" in page
