"""Every random number of training comes from the recipe's seed, and none is left behind."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds torch, numpy and random, asks for deterministic operators, and restores all of them.

    A task that augments its data with any of the three is then repeatable.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    strict = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
        torch.use_deterministic_algorithms(strict, warn_only=warns)


def drawn() -> dict[str, Tensor]:
    """Where the three generators stand, as tensors.

    A generator that a task has made for itself is not among them: it begins anew with its process.
    """
    version, words, gauss = random.getstate()
    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    return {
        "torch": torch.get_rng_state(),
        "random": torch.tensor([version, *words], dtype=torch.int64),
        "random.gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
        "numpy.place": torch.tensor([legacy["state"]["pos"], legacy["has_gauss"]]),
        "numpy.gauss": torch.tensor([legacy["gauss"]], dtype=torch.float64),
    }


def draw_on(state: Mapping[str, Tensor]) -> None:
    """Puts the three generators where they stood. Raises KeyError or ValueError for no state."""
    version, *words = state["random"].tolist()
    gauss = state["random.gauss"].tolist()
    random.setstate((version, tuple(words), gauss[0] if gauss else None))
    place, has_gauss = state["numpy.place"].tolist()
    key = state["numpy"].numpy().astype(np.uint32)
    gaussian = float(state["numpy.gauss"].item())
    np.random.set_state(("MT19937", key, place, has_gauss, gaussian))
    torch.set_rng_state(state["torch"])
