"""What a quantized graph computes at each of its 8-bit tensors, to hold an artifact against.

An artifact's tensors have names of its runtime's own, but keep the scale and the zero point that
the plan gave them: these tell which of ours a tensor is.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from pipeline.inference import infer

QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
MOST_BYTES = 4_000_000
"""Of one sample's layers and more samples beside it, as long as they fit: ResNet-20 for CIFAR has
some 0.3 MB each, MobileNetV2 at 224 pixels 7 MB."""
MOST_SAMPLES = 16
ARRAYS, FACTS = "layers.npz", "layers.json"


@dataclass(frozen=True)
class Layer:
    """One 8-bit tensor on some samples: real = scale * (integer - zero_point).

    Attributes:
        tensor: the name of the node that computes it.
        scale: in the tensor's own unit.
        zero_point: in [-128, 127].
        integers: int8 (N, ...), in torch's layout.
    """

    tensor: str
    scale: float
    zero_point: int
    integers: NDArray[np.int8]

    @property
    def values(self) -> NDArray[np.float32]:
        """The real values."""
        centred = self.integers.astype(np.float32) - self.zero_point
        return (centred * self.scale).astype(np.float32)


@dataclass(frozen=True)
class Layers:
    """The layers of a quantized graph in the order of execution, and the samples they are of."""

    samples: tuple[NDArray[Any], ...]
    layers: tuple[Layer, ...]

    def save(self, folder: Path) -> None:
        """Writes layers.npz and layers.json."""
        arrays = [*self.samples, *(one.integers for one in self.layers)]
        np.savez(folder / ARRAYS, *arrays)
        facts = [
            {"tensor": one.tensor, "scale": one.scale, "zero_point": one.zero_point}
            for one in self.layers
        ]
        document = {"inputs": len(self.samples), "layers": facts}
        (folder / FACTS).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Layers":
        """What `save` wrote. Raises OSError, ValueError or KeyError where it can't be read."""
        document = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        count = document["inputs"]
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            arrays = [file[f"arr_{index}"] for index in range(len(file.files))]
        pairs = zip(document["layers"], arrays[count:], strict=True)
        found = tuple(Layer(**facts, integers=array) for facts, array in pairs)
        return Layers(tuple(arrays[:count]), found)


def layers(module: fx.GraphModule, inputs: tuple[Tensor, ...]) -> Layers:
    """Runs a quantized graph and keeps every tensor that it quantizes.

    Args:
        module: a PT2E graph with explicit quantization (Quantized.unfolded).
        inputs: some samples each, at least one; as many of the first are used as MOST_BYTES and
            MOST_SAMPLES allow.
    """
    alone = _run(module, tuple(tensor[:1] for tensor in inputs))
    size = sum(one.integers.nbytes for one in alone)
    count = max(1, min(MOST_SAMPLES, MOST_BYTES // max(1, size), len(inputs[0])))
    chosen = tuple(tensor[:count] for tensor in inputs)
    return Layers(tuple(tensor.numpy() for tensor in chosen), _run(module, chosen))


def _run(module: fx.GraphModule, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
    recorder = _Recorder(module)
    with torch.no_grad():
        infer(module, inputs, recorder.run)
    return tuple(_layer(node, parts, len(inputs[0])) for node, parts in recorder.parts.items())


def _layer(node: fx.Node, parts: list[NDArray[np.int8]], count: int) -> Layer:
    quantized, scale, zero_point = node.args[:3]
    name = getattr(quantized, "name", node.name)
    assert isinstance(scale, float), f"{node.name}: a plan's scales are numbers"
    assert isinstance(zero_point, int), f"{node.name}: a plan's zero points are numbers"
    return Layer(name, scale, zero_point, np.concatenate(parts)[:count])


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps what its quantizing nodes give, in the order of their execution."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.parts: dict[fx.Node, list[NDArray[np.int8]]] = {}

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 as the interpreter's own
        """The node's value."""
        value = super().run_node(n)
        if n.op == "call_function" and str(n.target) == QUANTIZE:
            self.parts.setdefault(n, []).append(value.numpy())
        return value
