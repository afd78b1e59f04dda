"""Rows times weights are what the operator computes, so least squares solves the right system."""

import pytest
import torch
from torch import nn

from pipeline.graph import trace
from pipeline.prune.consumers import sites
from pipeline.prune.consumers.ridge import Ridge, extended
from pipeline.prune.consumers.rows import rows

CASES = {
    "linear": (nn.Linear(6, 4), (3, 6)),
    "linear on a sequence": (nn.Linear(6, 4), (3, 5, 6)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1), (3, 4, 9)),
    "conv2d, groups": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (3, 4, 5, 6)),
    "conv2d, depthwise": (nn.Conv2d(4, 8, 3, groups=4, stride=2), (3, 4, 7, 7)),
    "conv2d, dilated": (nn.Conv2d(2, 3, (3, 2), dilation=(2, 1), padding=(2, 0)), (3, 2, 6, 6)),
    "conv2d, same": (nn.Conv2d(2, 3, 4, padding="same"), (3, 2, 6, 6)),
    "conv3d": (nn.Conv3d(2, 3, 2, padding=1), (3, 2, 4, 4, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_times_the_weight_are_the_output(case: str) -> None:
    module, shape = CASES[case]
    module = module.double()
    given = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    graph = trace(module, (given,))
    (site,), declined = sites.find(graph.module)
    assert not declined
    node = next(node for node in graph.module.graph.nodes if node.name == site.name)
    reads = rows(node, module.weight)
    expected = module(given)
    places = torch.tensor([0, 2, 1])
    for some in (None, places):
        inputs = reads.inputs(given, some)
        weight = module.weight.reshape(reads.groups, -1, inputs.shape[-1]).transpose(1, 2)
        bias = module.bias.reshape(reads.groups, 1, -1)
        found = inputs @ weight + bias
        torch.testing.assert_close(found, reads.outputs(expected, some), rtol=1e-10, atol=1e-10)


def test_ridge_finds_the_matrix_behind_the_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 200, 5, dtype=torch.float64, generator=generator)
    matrix = torch.randn(2, 6, 3, dtype=torch.float64, generator=generator)
    rows_in = extended(inputs)
    for intercept in (True, False):
        system = Ridge(2, 5, 1e-12, intercept=intercept)
        for part in rows_in.split(50, dim=1):
            system.add(part)
        used = matrix.clone()
        used[:, -1] *= float(intercept)
        found = system.solve(rows_in.transpose(1, 2) @ (rows_in @ used))
        # A penalty of 1e-12 of the mean diagonal moves the solution by as much, relatively.
        torch.testing.assert_close(found, used, rtol=1e-6, atol=1e-6)


def test_constant_columns_do_not_stop_the_factorisation() -> None:
    inputs = torch.zeros(1, 50, 3)
    inputs[..., 0] = torch.randn(50, generator=torch.Generator().manual_seed(0))
    system = Ridge(1, 3, 1e-4)
    system.add(extended(inputs))
    assert torch.isfinite(system.solve(torch.ones(1, 4, 2, dtype=torch.float64))).all()
