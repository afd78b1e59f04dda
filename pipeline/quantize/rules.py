"""Which operator becomes int8, and how: one table per class of operator.

A rule says what an operator needs of its inputs and output. An operator that is in no table stays
float, with a reason. The operators are those of the pre-dispatch ATen graph.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch

aten = torch.ops.aten

WEIGHTED: Mapping[object, int] = MappingProxyType(
    {
        aten.conv1d.default: 0,
        aten.conv1d.padding: 0,
        aten.conv2d.default: 0,
        aten.conv2d.padding: 0,
        aten.linear.default: 0,
    }
)
"""Operators with a weight as their second argument, and the weight's output-channel axis."""

ACTIVATIONS = frozenset(
    {
        aten.relu.default,
        aten.relu_.default,
        aten.relu6.default,
        aten.relu6_.default,
        aten.hardtanh.default,
        aten.hardtanh_.default,
    }
)
"""Clamping activations, which runtimes fuse into the operator before: no rounding in between."""

BINARY = frozenset(
    {
        aten.add.Tensor,
        aten.add_.Tensor,
        aten.sub.Tensor,
        aten.sub_.Tensor,
        aten.mul.Tensor,
        aten.mul_.Tensor,
    }
)
"""Element by element on two tensors, each with its own scale."""

UNARY = frozenset(
    {
        aten.elu.default,
        aten.hardsigmoid.default,
        aten.hardswish.default,
        aten.hardswish_.default,
        aten.leaky_relu.default,
        aten.leaky_relu_.default,
        aten.mean.dim,
        aten.silu.default,
        aten.silu_.default,
    }
)
"""One tensor in and one out, whose ranges differ."""

FIXED: Mapping[object, tuple[float, int]] = MappingProxyType(
    {
        aten.sigmoid.default: (1 / 256, -128),
        aten.sigmoid_.default: (1 / 256, -128),
        aten.tanh.default: (1 / 128, 0),
        aten.tanh_.default: (1 / 128, 0),
    }
)
"""Operators whose range is known: the scale and zero point that kernels take for granted."""

ARRIVING: Mapping[object, tuple[float, int]] = MappingProxyType(
    {
        aten.softmax.int: (1 / 256, -128),
        aten.log_softmax.int: (16 / 256, 127),
    }
)
"""Float operators whose value, where int8 reads it, has the scale and zero point that kernels take
for granted: a converter may make such an operator int8 after all."""

SHARED = frozenset(
    {
        aten.adaptive_avg_pool1d.default,
        aten.adaptive_avg_pool2d.default,
        aten.alias.default,
        aten.avg_pool1d.default,
        aten.avg_pool2d.default,
        aten.channel_shuffle.default,
        aten.clone.default,
        aten.contiguous.default,
        aten.dropout.default,
        aten.dropout_.default,
        aten.expand.default,
        aten.flatten.using_ints,
        aten.max_pool2d.default,
        aten.pad.default,
        aten.permute.default,
        aten.pixel_shuffle.default,
        aten.pixel_unshuffle.default,
        aten.reshape.default,
        aten.select.int,
        aten.slice.Tensor,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.transpose.int,
        aten.unsqueeze.default,
        aten.upsample_nearest2d.vec,
        aten.view.default,
    }
)
"""Operators that move values or average near ones: the output keeps the input's scale."""

CONCATENATING = frozenset({aten.cat.default, aten.stack.default})
"""A list of tensors, which all share one scale with the output."""

SPLITTING = frozenset(
    {
        aten.chunk.default,
        aten.split.Tensor,
        aten.split_with_sizes.default,
        aten.unbind.int,
    }
)
"""One tensor in and a list out: every part keeps the input's scale."""

COVERED = frozenset(WEIGHTED) | BINARY | UNARY | ACTIVATIONS | frozenset(FIXED)
COVERED |= SHARED | CONCATENATING | SPLITTING
"""Operators that a rule may make int8."""

CARRYING = SHARED | CONCATENATING | SPLITTING
"""Operators whose values another one computed: they have the scale of what they read."""

MOVING = (SHARED | SPLITTING) - {
    aten.adaptive_avg_pool1d.default,
    aten.adaptive_avg_pool2d.default,
    aten.avg_pool1d.default,
    aten.avg_pool2d.default,
    aten.max_pool2d.default,
    aten.pad.default,
    aten.upsample_nearest2d.vec,
}
"""Operators that change nothing but places. Not padding: LiteRT makes it int8 where what it pads
is, and the scale of that need not reach as far as the number that is padded with."""
UNREAD = "float operators alone read what it moves"
AMONG_FLOATS = "float operators alone give what it reads and read what it gives"

FLOAT: Mapping[object, str] = MappingProxyType(
    {
        aten.batch_norm.default: "no convolution or linear layer before it takes it in",
        aten.conv_transpose1d.default: "two of three runtimes have no int8 kernel for it",
        aten.conv_transpose2d.input: "two of three runtimes have no int8 kernel for it",
        aten.gelu.default: "int8 kernels for it cost more than float ones",
        aten.gelu_.default: "int8 kernels for it cost more than float ones",
        aten.group_norm.default: "normalises over its own input, which int8 can't hold",
        aten.instance_norm.default: "normalises over its own input, which int8 can't hold",
        aten.layer_norm.default: "normalises over its own input, which int8 can't hold",
        aten.matmul.default: "int8 kernels for two activations cost more than float ones",
        aten.bmm.default: "int8 kernels for two activations cost more than float ones",
        aten.prelu.default: "int8 kernels for it cost more than float ones",
        aten.scaled_dot_product_attention.default: "attention has no int8 kernel",
        aten.softmax.int: "int8 kernels for it cost more than float ones",
        aten.upsample_bilinear2d.vec: "two of three runtimes have no int8 kernel for it",
    }
)
"""Operators that stay float on purpose, and why."""
