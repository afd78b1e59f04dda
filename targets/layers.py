"""An artifact's 8-bit tensors, as its runtime computes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Layer:
    """One 8-bit tensor on some samples.

    Attributes:
        name: what the file calls it.
        scale: real = scale * (integer - zero_point).
        zero_point: as it is where integers lie in [-128, 127].
        values: real values (N, ...), in the runtime's layout.
    """

    name: str
    scale: float
    zero_point: int
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Layers:
    """All of them, in the file's order.

    Attributes:
        layers: the tensors.
        same_outputs: whether the copy that shows them still gives the file's outputs, bit for bit;
            where not, looking changed what the runtime fuses, and values are of nearly the model.
    """

    layers: tuple[Layer, ...]
    same_outputs: bool


def layers_from_json(answer: Mapping[str, Any], arrays: Sequence[NDArray[np.float32]]) -> Layers:
    """From the agent's answer. Raises KeyError, TypeError or ValueError for a malformed one."""
    found = [
        Layer(str(told["name"]), float(told["scale"]), int(told["zero_point"]), values)
        for told, values in zip(answer["layers"], arrays, strict=True)
    ]
    return Layers(tuple(found), bool(answer["same_outputs"]))
