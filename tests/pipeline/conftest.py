"""What tests of pruning start from: modules whose numbers hide no mistake."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


def _randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Float64, with no parameter or statistic at a value that hides a mistake (0 or 1)."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    for tensor in [*module.parameters(), *module.buffers()]:
        if not tensor.is_floating_point():
            continue
        noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            tensor.copy_(noise + 0.5 if tensor.dim() <= 1 else noise - 0.5)
    return module


@pytest.fixture(scope="session")
def randomise() -> Callable[..., nn.Module]:
    """Gives a module random parameters and statistics that hide nothing."""
    return _randomise
