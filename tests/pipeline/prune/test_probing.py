"""Sensitivity: a table that planning can use, in which less costs more."""

import torch
from torch import nn

from pipeline.graph import trace
from pipeline.graph.groups import survey
from pipeline.prune import plan
from pipeline.prune.importance import CalibrationData, observe
from pipeline.prune.probing import measure
from pipeline.prune.sensitivity import Sensitivity


def test_a_table_of_divergences_for_every_group_that_a_plan_can_use() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 4))
    with torch.no_grad():
        net[2].weight[:, 8:] *= 1e-3  # half of the first group is nearly for nothing
    graph = trace(net, (torch.randn(1, 6),))
    generator = torch.Generator().manual_seed(0)
    batches = tuple(((torch.randn(64, 6, generator=generator),), None) for _ in range(2))
    data = CalibrationData(batches)
    told: list[float] = []
    evidence = observe(graph, survey(graph), "obs", data)
    table = measure(
        graph, evidence, data, (0.25, 0.5, 0.75), progress=lambda _, done: told.append(done)
    )
    first, second = (table.divergence[group.name] for group in evidence.groups)
    assert sorted(first) == [4, 8, 12]
    assert sorted(second) == [3, 6, 9]
    assert first[8] < 0.1 * second[6]
    assert second[3] > second[9]
    assert told == [0.5, 1.0]
    assert Sensitivity.model_validate_json(table.model_dump_json()) == table
    chosen = plan(
        graph, params=0.6, importance="obs", strategy="sensitivity", data=data, sensitivity=table
    )
    assert chosen.groups[0].kept <= 9
    assert chosen.groups[1].kept > 6
