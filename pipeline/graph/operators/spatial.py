"""Pools, upsampling, and the moves between space and channels."""

import math
from collections.abc import Callable

import numpy as np

from pipeline.graph.operators.entry import Call, Labels, Operator, Result
from pipeline.graph.reshape import factor
from pipeline.graph.terms import Label

SLIDES = "slides over it"


def _window(space: int) -> Callable[[Call], Result]:
    def label(call: Call) -> Result:
        value = call.tensor("self", "input")
        for own in value.labels[-space:]:
            call.pin(own, SLIDES)
        return call.alike([*value.labels[:-space], *[None] * space])

    return label


def _pinned_space(call: Call) -> Labels:
    value = call.tensor("self")
    for own in value.labels[-2:]:
        call.pin(own, SLIDES)
    return value.labels[:-2]


def _spread(label: Label, times: int) -> Label:
    return None if label is None else np.repeat(label, times)


def _gathered(call: Call, label: Label, size: int, times: int) -> Label:
    """The channels of a dimension that is channels × positions, whose positions all stay."""
    channels, positions = factor(call.terms, label, [size // times, times], [True, False])
    call.pin(positions, SLIDES)
    return channels


def _pixel_shuffle(call: Call) -> Result:
    *lead, channels = _pinned_space(call)
    times = call.integer("upscale_factor") ** 2
    size = call.tensor("self").shape[-3]
    return [*lead, _gathered(call, channels, size, times), None, None]


def _pixel_unshuffle(call: Call) -> Result:
    *lead, channels = _pinned_space(call)
    return [*lead, _spread(channels, call.integer("downscale_factor") ** 2), None, None]


def _im2col(call: Call) -> Result:
    *lead, channels = _pinned_space(call)
    return [*lead, _spread(channels, math.prod(call.integers("kernel_size"))), None]


def _col2im(call: Call) -> Result:
    value = call.tensor("self")
    call.pin(value.labels[-1], SLIDES)
    times = math.prod(call.integers("kernel_size"))
    channels = _gathered(call, value.labels[-2], value.shape[-2], times)
    return [*value.labels[:-2], channels, None, None]


def _sample(call: Call) -> Result:
    """Looks at places that another tensor names."""
    value, grid = call.tensor("input"), call.tensor("grid")
    for label in (*value.labels[2:], *grid.labels[1:]):
        call.pin(label, "looks up places in it")
    return [*value.labels[:2], *[None] * (len(value.shape) - 2)]


def _places(call: Call) -> Result:
    """The places that a matrix maps to, for each of its examples."""
    theta = call.tensor("theta")
    for label in theta.labels[1:]:
        call.pin(label, "computes places by it")
    return [theta.labels[0], *[None] * (len(call.shape) - 1)]


def _unpool(call: Call) -> Result:
    """What a pool took, put back: channels go with those of the positions."""
    value, positions = call.tensor("self"), call.tensor("indices")
    for own in (*value.labels[2:], *positions.labels[2:]):
        call.pin(own, SLIDES)
    channels = call.unify(value.labels[1], positions.labels[1])
    return [value.labels[0], channels, *[None] * (len(value.shape) - 2)]


def _channel_shuffle(call: Call) -> Result:
    value, groups = call.tensor("self", "input"), call.integer("groups")
    size = value.shape[1]
    group, width = factor(call.terms, value.labels[1], [groups, size // groups], [False, True])
    call.pin(group, "shuffles it")
    shuffled: Label = None if width is None else np.repeat(width, groups)
    return [value.labels[0], shuffled, *value.labels[2:]]


def _named(names: str, space: int) -> dict[str, Operator]:
    return dict.fromkeys(names.split(), Operator(_window(space)))


RULES = {
    **_named("max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d", 1),
    **_named("max_pool1d_with_indices upsample_nearest1d upsample_linear1d", 1),
    **_named("_upsample_nearest_exact1d", 1),
    **_named("max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d", 2),
    **_named("max_pool2d_with_indices upsample_nearest2d upsample_bilinear2d", 2),
    **_named("upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa", 2),
    **_named("_upsample_nearest_exact2d", 2),
    **_named("max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d", 3),
    **_named("max_pool3d_with_indices upsample_nearest3d upsample_trilinear3d", 3),
    **_named("_upsample_nearest_exact3d", 3),
    "pixel_shuffle": Operator(_pixel_shuffle),
    "pixel_unshuffle": Operator(_pixel_unshuffle),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), Operator(_sample)),
    "affine_grid_generator": Operator(_places),
    **dict.fromkeys(("max_unpool2d", "max_unpool3d"), Operator(_unpool)),
    "im2col": Operator(_im2col),
    "col2im": Operator(_col2im),
    "channel_shuffle": Operator(_channel_shuffle),
    "native_channel_shuffle": Operator(_channel_shuffle),
}
