"""What regions regain in float, in decibels at the outputs."""

import math

import pytest
import torch
from torch import nn

from pipeline.graph import trace
from pipeline.quantize.decide import decide
from pipeline.quantize.keeping import keeping
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from pipeline.quantize.regions import regions
from pipeline.quantize.sensitivity import float_gains, sqnr_db

SETTINGS = Settings(scheme="int8", mode="ptq")


def test_gains_are_what_keeping_the_region_regains(digits) -> None:
    inputs = [(digits.images[:32],)]
    plan = digits.quantized.plan
    among = regions(digits.graph)[-3:]
    said: list[float] = []
    found = float_gains(
        digits.graph, plan, inputs, among, tell=lambda what, fraction: said.append(fraction)
    )
    assert {gain.region for gain in found} == set(among)
    assert [gain.gain_db for gain in found] == sorted((g.gain_db for g in found), reverse=True)
    start = sqnr_db(digits.graph, plan, inputs)
    kept = keeping(digits.graph, plan, found[0].region.nodes)
    assert sqnr_db(digits.graph, kept, inputs) - start == pytest.approx(found[0].gain_db)
    assert said == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3)]


def test_noise_is_told_in_decibels() -> None:
    torch.manual_seed(0)
    inputs = torch.rand(256, 8)
    graph = trace(nn.Linear(8, 4), (inputs[:1],))
    plan = decide(observe(graph, [(inputs,)]), SETTINGS)
    found = sqnr_db(graph, plan, [(inputs,)])
    # Output values of range r, rounded with a noise of r / 255 / sqrt(12), have some r / 4 of
    # spread: 20 lg(255 sqrt(12) / 4) = 47 dB; inputs and weights take a few of them.
    assert 35 < found < 52
    everything = keeping(graph, plan, ["linear"])
    assert sqnr_db(graph, everything, [(inputs,)]) == 150
    assert math.isfinite(found)
