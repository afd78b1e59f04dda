"""Bias correction: means come back, weights stay."""

import torch
from torch import nn

from pipeline.graph import trace
from pipeline.quantize import apply
from pipeline.quantize.bias import correct_bias
from pipeline.quantize.decide import decide
from pipeline.quantize.fold import fold
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from pipeline.quantize.replica import replica

SETTINGS = Settings(scheme="int8", mode="ptq")


def test_outputs_have_the_float_means_again(digits) -> None:
    plan = digits.quantized.plan
    calibration = [(batch,) for batch in digits.calibration]
    images = torch.cat(digits.calibration)
    done = correct_bias(digits.graph, plan, calibration)
    with torch.no_grad():
        dense = digits.graph.module(images).mean(0)
        before = (replica(digits.graph, plan).module(images).mean(0) - dense).norm()
        after = (replica(done.graph, plan).module(images).mean(0) - dense).norm()
    # The last operator's mean is exact before its output is rounded: 256 roundings of which none
    # is off by more than half a step.
    assert after <= plan.tensors[-1].scale / 2 * 10**0.5
    assert after < before
    assert [shift.node for shift in done.shifts][-1] == "linear"


def test_weights_stay_and_the_plan_still_fits(digits) -> None:
    calibration = [(batch,) for batch in digits.calibration]
    done = correct_bias(digits.graph, digits.quantized.plan, calibration)
    before, after = fold(digits.graph).module.state_dict(), done.graph.module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.endswith("bias") for name in changed)
    again = correct_bias(digits.graph, digits.quantized.plan, calibration)
    assert all(
        torch.equal(one, again.graph.module.state_dict()[name]) for name, one in after.items()
    )
    assert apply(done.graph, digits.quantized.plan).plan == digits.quantized.plan


def test_an_operator_without_a_bias_gets_one() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 3, bias=False))
    images = torch.rand(16, 1, 8, 8)
    graph = trace(net, (images[:1],))
    plan = decide(observe(graph, [(images,)]), SETTINGS)
    done = correct_bias(graph, plan, [(images,)])
    assert "0.weight_bias" in done.graph.module.state_dict()
    folded = fold(trace(net, (images[:1],)))
    folded.module.load_state_dict(done.graph.module.state_dict(), strict=True)


def test_what_stays_float_is_left_alone(digits) -> None:
    calibration = [(digits.calibration[0],)]
    keeps = frozenset({"linear"})
    plan = decide(observe(digits.graph, calibration, keeps), SETTINGS)
    done = correct_bias(digits.graph, plan, calibration)
    assert "linear" not in {shift.node for shift in done.shifts}
