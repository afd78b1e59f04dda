"""Multiply-accumulates of an operator as a runtime executes it, from the shapes that it tells.

An operator whose count nobody knows counts None, never 0. Travels to devices: stdlib only,
Python 3.9 syntax.
"""

from math import prod
from typing import Optional, Sequence

Shape = Sequence[int]


def of_convolution(output: Shape, weight: Shape, channels: int) -> Optional[int]:
    """Any convolution: each output element takes one output channel's share of the weight.

    Args:
        output: shape of the output, in any layout.
        weight: shape of the weight, in any layout, groups included.
        channels: output channels, of all groups.
    """
    return _known(output, weight) and prod(output) * (prod(weight) // max(1, channels))


def of_transposed_convolution(entered: Shape, weight: Shape, channels: int) -> Optional[int]:
    """A transposed convolution: each input element meets its input channel's share of the weight.

    Args:
        entered: shape of the input, in any layout.
        weight: shape of the weight, in any layout, groups included.
        channels: input channels, of all groups.
    """
    return of_convolution(entered, weight, channels)


def of_product(output: Shape, depth: int) -> Optional[int]:
    """A matrix product, batched or not: each output element sums over `depth` products."""
    return _known(output, (depth,)) and prod(output) * depth


def of_attention(query: Shape, value: Shape) -> Optional[int]:
    """softmax(Q Kᵀ) V of a query (…, L, E) and a value (…, S, V): L·S·(E + V) per head."""
    known = _known(query, value)
    return known and prod(query[:-1]) * value[-2] * (query[-1] + value[-1])


def of_recurrence(entered: Shape, steps: int, *weights: Shape) -> Optional[int]:
    """A recurrent layer: every weight once per step and sample.

    Args:
        entered: shape of the input, batch included, whose other sizes are `steps` and features.
        steps: length of the sequence.
        weights: shapes of the input's and the state's weights, all directions together.
    """
    if not _known(entered, (steps,), *weights):
        return None
    batch = prod(entered) // max(1, steps * entered[-1])
    return batch * steps * sum(prod(each) for each in weights)


def _known(*shapes: Shape) -> Optional[int]:
    """1 where every size is known and no tensor is empty, else None."""
    return 1 if all(size > 0 for shape in shapes for size in shape) else None
