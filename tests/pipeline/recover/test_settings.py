"""Schedule, chance and layout."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pipeline.graph import trace
from pipeline.recover import hardware
from pipeline.recover.chance import seeded
from pipeline.recover.hardware import arrange, means
from pipeline.recover.schedule import END, START, WARM_UP, one_cycle


@given(st.floats(0, 1), st.floats(1e-5, 1))
def test_the_rate_stays_within_its_bounds(fraction, highest):
    rate = one_cycle(fraction, highest)
    # Rounding of a cosine: a few units in the last place.
    assert min(START, END) * highest * (1 - 1e-9) <= rate <= highest * (1 + 1e-9)


def test_the_rate_rises_then_falls():
    rates = [one_cycle(step / 100, 1.0) for step in range(101)]
    peak = round(100 * WARM_UP)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] == pytest.approx(START)
    assert rates[peak] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(END)


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_chance_is_the_seed_s_and_leaves_nothing_behind():
    before = random.getstate(), np.random.get_state()[2], torch.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        with seeded(seed):
            assert torch.are_deterministic_algorithms_enabled()
            drawn.append(draw())
    assert drawn[0] == drawn[1]
    assert all(a != b for a, b in zip(drawn[0], drawn[2], strict=True))
    assert random.getstate() == before[0]
    assert np.random.get_state()[2] == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    assert not torch.are_deterministic_algorithms_enabled()


class Viewing(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        return self.convolution(x).view(-1, 72)


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(1, 2, 3), (1, 1, 8, 8), True),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.Flatten()), (1, 1, 8, 8), True),
        (nn.Linear(4, 2), (1, 4), False),
        (Viewing(), (1, 1, 8, 8), False),  # a view of channels-last memory would fail
    ],
    ids=["convolution", "flatten", "linear", "view"],
)
def test_channels_last_is_for_convolutions_whose_layout_may_change(module, shape, expected):
    graph = trace(module, (torch.zeros(shape),))
    assert means(graph.module).channels_last is expected


def test_layout_changes_no_value():
    module = trace(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten()), (torch.zeros(1, 3, 6, 6),)
    ).module
    x = torch.randn(4, 3, 6, 6)
    before = module(x)
    arrange(module, torch.channels_last)
    assert module.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    # Another order of summing 27 products below 1 in float32: a few units of 6e-8 each.
    assert torch.allclose(module(*means(module).laid_out((x,))), before, atol=1e-5)
    arrange(module, torch.contiguous_format)
    assert torch.equal(module(x), before)


@pytest.mark.parametrize(
    ("found", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)],
)
def test_bfloat16_is_for_large_models_on_a_cpu_that_has_it(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    module = trace(nn.Linear(8, 8), (torch.zeros(1, 8),)).module
    assert not means(module).bfloat16
    monkeypatch.setattr(hardware, "BF16_PARAMETERS", 72)
    assert means(module).bfloat16 is expected
    with means(module).precision():
        expected_type = torch.bfloat16 if expected else torch.float32
        assert module(torch.zeros(2, 8)).dtype == expected_type


@pytest.mark.parametrize(("asked", "expected"), [("fp32", False), ("bf16", True)])
def test_a_precision_that_is_asked_for_is_used(monkeypatch, asked, expected):
    monkeypatch.setattr(hardware, "BF16_PARAMETERS", 72)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not expected})
    module = trace(nn.Linear(8, 8), (torch.zeros(1, 8),)).module
    chosen = means(module, asked)
    assert (chosen.bfloat16, chosen.named) == (expected, asked)
