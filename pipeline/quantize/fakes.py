"""Quantizing and dequantizing at once, with gradients: what training sees of an int8 model."""

import math

import torch
from torch import Tensor, nn

from pipeline.quantize.plan import LEAST_SCALE

LEAST, GREATEST = -128, 127
WEIGHT_LIMIT = 127


class FakeActivation(nn.Module):
    """An int8 activation whose scale is learnt; its zero point stands still.

    The scale's gradient is that of learned step sizes (Esser et al. 2020, section 2.1); what is
    trained is its logarithm, so that a step of an optimiser is a share of it (Jain et al. 2020,
    "Trained Quantization Thresholds", section 3.2).

    Attributes:
        tensors: the names of the tensors that share the scale.
    """

    def __init__(
        self, tensors: tuple[str, ...], scale: float, zero_point: int, *, learns: bool
    ) -> None:
        """`learns` is false where the operator itself knows the range."""
        super().__init__()
        self.tensors = tensors
        self.log2_scale = nn.Parameter(torch.tensor([math.log2(scale)]), requires_grad=learns)
        self.register_buffer("zero_point", torch.tensor([float(zero_point)]))

    def forward(self, values: Tensor) -> Tensor:
        """The values, any shape in float32, as int8 holds them."""
        weight = 1 / math.sqrt(values[:1].numel() * GREATEST)
        fake: Tensor = torch._fake_quantize_learnable_per_tensor_affine(
            values, self._scale(), self.get_buffer("zero_point"), LEAST, GREATEST, weight
        )
        return fake

    def affine(self) -> tuple[float, int]:
        """Scale and zero point as they are now."""
        with torch.no_grad():
            return float(self._scale()), round(float(self.get_buffer("zero_point")))

    def _scale(self) -> Tensor:
        return torch.exp2(self.log2_scale).clamp_min(LEAST_SCALE)


class FakeWeight(nn.Module):
    """An int8 weight: symmetric, a scale per channel from the channel's largest value.

    A batch norm behind it is folded into the weight when the model is deployed. A symmetric scale
    per channel moves with whatever the channel is multiplied by, so the weight is rounded here,
    before the norm, as it will be behind it: no correction is needed (compare Krishnamoorthi 2018,
    section 3.2.2). Only the least scale is another, for which the norm's factor is asked.
    """

    def __init__(self, channel_axis: int, epsilon: float = 0.0) -> None:
        """`epsilon` is the norm's, where there is one."""
        super().__init__()
        self._axis = channel_axis
        self._epsilon = epsilon

    def forward(
        self, weight: Tensor, gain: Tensor | None = None, variance: Tensor | None = None
    ) -> Tensor:
        """The weight as int8 holds it; gain and running variance (C,) are the norm's behind it."""
        others = [dim for dim in range(weight.dim()) if dim != self._axis]
        with torch.no_grad():
            least = torch.full((weight.shape[self._axis],), LEAST_SCALE)
            if variance is not None:
                least = least / self._factor(gain, variance)
            scale = torch.maximum(weight.abs().amax(others) / WEIGHT_LIMIT, least)
            zero_point = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, scale, zero_point, self._axis, -WEIGHT_LIMIT, WEIGHT_LIMIT
        )

    def _factor(self, gain: Tensor | None, variance: Tensor) -> Tensor:
        """What the norm multiplies each channel by."""
        factor = torch.rsqrt(variance + self._epsilon)
        factor = factor if gain is None else factor * gain.abs()
        return factor.clamp_min(torch.finfo(torch.float32).tiny * 2**24)
