"""Deciding: from what was observed to a plan. Pure, and free of torch."""

import numpy as np

from pipeline.quantize.observations import Observations
from pipeline.quantize.plan import QuantPlan, Settings, TensorQuantization
from pipeline.quantize.ranges import GREATEST, LEAST, range_of


def decide(observed: Observations, settings: Settings) -> QuantPlan:
    """One scale and zero point per group of tensors, by the settings' way to a range."""
    affine = {
        group: quantization(*range_of(histogram, settings.range), settings.least_scale)
        for group, histogram in observed.histograms.items()
    }
    by_tensor = {tensor: affine[group] for tensor, group in observed.groups.items()}
    by_tensor |= observed.fixed
    return QuantPlan(
        settings=settings,
        samples=observed.samples,
        tensors=tuple(
            TensorQuantization(tensor=tensor, scale=scale, zero_point=zero_point)
            for tensor, (scale, zero_point) in by_tensor.items()
        ),
        weights=observed.weights,
        floats=observed.floats,
        keeps=observed.keeps,
    )


def quantization(low: float, high: float, least_scale: float) -> tuple[float, int]:
    """Scale and zero point whose int8 range covers [low, high], and 0 exactly (padding)."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / (GREATEST - LEAST), least_scale)))
    zero_point = LEAST - round(low / scale)
    return scale, int(np.clip(zero_point, LEAST, GREATEST))
