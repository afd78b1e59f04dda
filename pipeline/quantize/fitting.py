"""One operator's weights, each rounded up or down for the operator's output.

Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization": a rectified
sigmoid stands between a weight's two neighbours on the grid (equation 23), and a regulariser pushes
it to one of them as its exponent falls (24, 26). The error counts in shares of the error that
rounding to the nearest makes, and the regulariser is a mean, so that one strength fits all layers.
"""

import torch
from torch import Tensor

from pipeline.prune.consumers.rows import Rows
from pipeline.quantize.replica import WeightRounding
from pipeline.quantize.weights import GREATEST, spread

STRETCH = (-0.1, 1.1)
"""Of the sigmoid, so that it reaches 0 and 1 (equation 23)."""
EXPONENTS = (20.0, 2.0)
WARM_UP = 0.2
"""Share of the steps without the regulariser."""
RATE = 1e-2
ROWS = 512
"""Output positions per step."""


class Fit:
    """One operator as rows of inputs times a matrix, and where its weights may go."""

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        weight: Tensor,
        bias: Tensor,
        rounding: WeightRounding,
        reads: Rows,
        limits: tuple[float, float],
    ) -> None:
        """Inputs (groups, rows, features) and targets (groups, rows, channels)."""
        self._inputs, self._targets = inputs, targets.clamp(*limits)
        self._limits = limits
        self._groups = reads.groups
        scales = spread(rounding.scales, weight, rounding.channel_axis)
        self._scales = scales
        self._steps = (weight / scales).clamp(-GREATEST, GREATEST)
        self._bias = bias.reshape(reads.groups, 1, -1)

    def nearest(self) -> Tensor:
        """The integers that rounding to the nearest gives, of the weight's shape."""
        return torch.round(self._steps)

    def reals(self, integers: Tensor) -> Tensor:
        """The weight that integers stand for."""
        return integers * self._scales

    @torch.no_grad()
    def loss(self, integers: Tensor) -> Tensor:
        """The mean squared error at the operator's output, over all rows."""
        return self._error(integers, self._inputs, self._targets)

    def solve(self, steps: int, generator: torch.Generator) -> Tensor:
        """The integers that the optimiser settles on."""
        floor = self._steps.floor()
        soft = _inverse(self._steps - floor).requires_grad_()
        scale = self.loss(self.nearest())
        optimiser = torch.optim.Adam([soft], RATE)
        count = self._inputs.shape[1]
        for step in range(steps):
            chosen = torch.randint(count, (min(count, ROWS),), generator=generator)
            up = _rectified(soft)
            integers = (floor + up).clamp(-GREATEST, GREATEST)
            error = self._error(integers, self._inputs[:, chosen], self._targets[:, chosen])
            loss = error / scale + _undecided(up, step / steps)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return (floor + (soft.detach() >= 0)).clamp(-GREATEST, GREATEST)

    def _error(self, integers: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        weight = self.reals(integers)
        matrix = weight.reshape(self._groups, weight.shape[0] // self._groups, -1).transpose(1, 2)
        found = torch.baddbmm(self._bias, inputs, matrix).clamp(*self._limits)
        return (found - targets).square().mean()


def _rectified(soft: Tensor) -> Tensor:
    """From 0, the lower neighbour, to 1, the upper (equation 23)."""
    low, high = STRETCH
    return (torch.sigmoid(soft) * (high - low) + low).clamp(0, 1)


def _inverse(fraction: Tensor) -> Tensor:
    low, high = STRETCH
    return torch.logit((fraction - low) / (high - low))


def _undecided(up: Tensor, progress: float) -> Tensor:
    """The mean of 1 - |2h - 1|^β: 0 where each weight is at one of its neighbours."""
    if progress < WARM_UP:
        return torch.zeros(())
    high, low = EXPONENTS
    left = 1 - (progress - WARM_UP) / (1 - WARM_UP)
    exponent = low + (high - low) * left
    return (1 - (2 * up - 1).abs().pow(exponent)).mean()
