"""The float graph with int8's rounding in it: the same function, with gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.graph import trace
from pipeline.quantize import QuantPlan, apply, quantize
from pipeline.quantize.fakes import FakeActivation, FakeWeight
from pipeline.quantize.simulate import freeze, learnt, simulate
from pipeline.recipe import Quantize
from targets.errors import ArtifactError


def steps_apart(one: torch.Tensor, other: torch.Tensor, plan: QuantPlan) -> torch.Tensor:
    return (one - other).abs() / plan.tensors[-1].scale


@pytest.mark.parametrize("seed", [0, 4, 6])
def test_a_simulation_computes_what_int8_does(
    random_net: Callable[[int], nn.Module], seed: int
) -> None:
    torch.manual_seed(seed)
    inputs = torch.randn(16, 3, 16, 16)
    graph = trace(random_net(seed), (inputs[:1],))
    quantized = quantize(graph, [(inputs,)], Quantize())
    simulated = simulate(graph, quantized.plan)
    with torch.no_grad():
        apart = steps_apart(simulated.module(inputs), quantized.unfolded(inputs), quantized.plan)
    # The norm is folded there and not here: what rounding makes of a tie may differ, by one step.
    assert apart.max() <= 1 + 1e-3
    assert (apart > 0.5).float().mean() <= 0.25


def test_what_was_learnt_is_applied_as_it_was_trained(digits) -> None:
    plan, images = digits.quantized.plan, digits.images[:64]
    simulated = simulate(digits.graph, plan)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in simulated.module.named_parameters():
            noise = 1 + 0.05 * torch.rand_like(parameter)
            parameter.copy_(parameter + 0.1 if "scale" in name else parameter * noise)
    graph, trained = learnt(simulated, digits.graph, plan)
    assert trained.settings.mode == "qat"
    with torch.no_grad():
        expected = simulated.module(images)
        found = apply(graph, trained).unfolded(images)
    assert steps_apart(found, expected, trained).max() <= 1 + 1e-3
    free = {one.tensor: one for one in plan.tensors}
    assert any(one.scale > 1.05 * free[one.tensor].scale for one in trained.tensors)
    assert all(one.zero_point == free[one.tensor].zero_point for one in trained.tensors)


def test_weights_and_free_scales_get_gradients_until_they_are_frozen(digits) -> None:
    simulated = simulate(digits.graph, digits.quantized.plan)
    simulated.module(digits.images[:8]).square().sum().backward()
    named = dict(simulated.module.named_parameters())
    assert all(one.grad is not None for one in named.values())
    scales = [one for name, one in named.items() if "log2_scale" in name]
    assert all(bool(one.grad) for one in scales)
    freeze(simulated.module)
    assert all(one.grad is None and not one.requires_grad for one in scales)


def test_a_shared_scale_is_one_parameter(digits) -> None:
    plan = digits.quantized.plan
    fakes = [one for one in simulate(digits.graph, plan).module.modules()
             if isinstance(one, FakeActivation)]  # fmt: skip
    assert sorted(name for one in fakes for name in one.tensors) == sorted(
        one.tensor for one in plan.tensors
    )
    assert len(fakes) < len(plan.tensors)


def test_a_weight_is_rounded_as_if_the_norm_were_folded() -> None:
    torch.manual_seed(0)
    weight, gain, variance = torch.randn(4, 3, 3, 3), torch.rand(4) - 0.5, torch.rand(4)
    gain[1] = 0.0
    factor = gain * torch.rsqrt(variance + 1e-3)
    folded = FakeWeight(0)(weight * factor[:, None, None, None])
    apart = FakeWeight(0, 1e-3)(weight, gain, variance) * factor[:, None, None, None]
    torch.testing.assert_close(apart, folded, rtol=1e-5, atol=1e-7)


def test_the_plan_of_another_model_is_refused(digits, random_net) -> None:
    other = trace(random_net(0), (torch.randn(1, 3, 16, 16),))
    with pytest.raises(ArtifactError, match="another model"):
        simulate(other, digits.quantized.plan)


def test_a_weight_that_is_a_buffer_is_simulated() -> None:
    class Blurred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", torch.rand(3, 1, 3, 3))
            self.head = nn.Conv2d(3, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.nn.functional.conv2d(x, self.kernel, groups=3))

    images = torch.randn(8, 3, 8, 8)
    graph = trace(Blurred().eval(), (images[:1],))
    quantized = quantize(graph, [(images,)], Quantize())
    with torch.no_grad():
        found = simulate(graph, quantized.plan).module(images)
        expected = quantized.unfolded(images)
    assert steps_apart(found, expected, quantized.plan).max() <= 1 + 1e-3
