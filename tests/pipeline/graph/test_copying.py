import warnings

import pytest
import torch
from torch import nn

from pipeline.graph import trace
from pipeline.graph.copying import copied


def test_copies_are_quiet_and_leave_other_warnings_be() -> None:
    module = trace(nn.Linear(4, 2), (torch.zeros(1, 4),)).module
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        copy = copied(module)
        warnings.warn("another", FutureWarning, stacklevel=1)
    assert [str(one.message) for one in heard] == ["another"]
    assert copy.weight is not module.weight
    assert torch.equal(copy.weight, module.weight)


def test_parts_can_be_replaced_as_they_are_copied() -> None:
    module = trace(nn.Linear(4, 2), (torch.zeros(1, 4),)).module
    other = nn.Parameter(torch.ones(1))
    assert copied(module, {id(module.weight): other}).weight is other


def test_what_can_not_be_copied_raises_as_it_would() -> None:
    with pytest.raises(TypeError, match="pickle"):
        copied(iter(part for part in ()))
