"""Batches of any size through a module that was traced with one."""

import pytest
import torch
from torch import nn

from pipeline.inference import fixed_batch, infer


class Two(nn.Module):
    def forward(self, x, y):
        return {"sum": x + y, "both": (x * y, x.sum(dim=1))}


def traced(batch):
    inputs = (torch.zeros(batch, 3), torch.zeros(batch, 3))
    return torch.export.export(Two(), inputs).module()


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_fixed_batch_serves_any_number_of_samples(batch, count):
    x, y = torch.rand(2, count, 3)
    module = traced(batch)
    assert fixed_batch(module) == batch
    found = infer(module, (x, y))
    expected = Two()(x, y)
    # The same operations on the same values: equal to the last bit.
    assert torch.equal(found["sum"], expected["sum"])
    assert all(map(torch.equal, found["both"], expected["both"]))


def test_a_dynamic_batch_runs_in_one_piece():
    batch = torch.export.Dim("batch")
    inputs = (torch.zeros(2, 3), torch.zeros(2, 3))
    program = torch.export.export(Two(), inputs, dynamic_shapes=({0: batch}, {0: batch}))
    module = program.module()
    assert fixed_batch(module) is None
    assert infer(module, (torch.ones(4, 3), torch.ones(4, 3)))["sum"].shape == (4, 3)


def test_a_plain_module_takes_any_batch():
    assert fixed_batch(nn.Linear(2, 2)) is None
