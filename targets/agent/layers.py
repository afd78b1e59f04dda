"""The command that looks inside a model: the values of its 8-bit tensors as its runtime has them.

What a runtime fuses it does not show, so a copy of the file is made in which these tensors are
outputs, too; whether the copy still computes what the file does is told besides. Travels to
devices, Python 3.9 syntax; ONNX files need the `onnx` package there.
"""

import importlib
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, List, Optional, Protocol, Sequence, Tuple, cast

import numpy as np

from targets.agent.runtime import Runtime, Session


@dataclass(frozen=True)
class Exposed:
    """An 8-bit tensor of a model: real = scale * (integer - zero_point).

    Attributes:
        name: what the file calls it.
        scale: in the tensor's own unit.
        zero_point: as it is where integers lie in [-128, 127].
        output: its place among the copy's outputs.
        offset: to add to its integers for int8; None where its outputs are real values.
    """

    name: str
    scale: float
    zero_point: int
    output: int
    offset: Optional[int] = None


class Exposer(Protocol):
    """The module `targets.RUNTIME.layers`."""

    def expose(self, path: str, copy: str) -> List[Exposed]:
        """Writes the model's copy, and tells which of its outputs are which tensors."""


def layers_of(
    runtime: Runtime, name: str, path: str, threads: int, rows: Sequence[List[np.ndarray]]
) -> Tuple[Dict[str, object], List[np.ndarray]]:
    """The facts of each 8-bit tensor, and its values stacked over samples, in the same order.

    Args:
        runtime: the session module.
        name: the runtime's name.
        path: the model's.
        threads: for the session.
        rows: each sample's inputs, as a batch of 1.
    """
    exposer = cast(Exposer, importlib.import_module(f"targets.{name}.layers"))
    with tempfile.TemporaryDirectory() as folder:
        copy = str(Path(folder) / Path(path).name)
        exposed = exposer.expose(path, copy)
        found = [_ready(runtime, copy, threads).run(row) for row in rows]
    plain = [_ready(runtime, path, threads).run(row) for row in rows]
    same = all(np.array_equal(a, b) for x, y in zip(plain, found) for a, b in zip(x, y))
    values = [np.concatenate([_real(row[each.output], each) for row in found]) for each in exposed]
    return {"layers": [asdict(each) for each in exposed], "same_outputs": same}, values


def _ready(runtime: Runtime, path: str, threads: int) -> Session:
    session = runtime.Session(path, threads)
    session.prepare()
    return session


def _real(array: np.ndarray, tensor: Exposed) -> np.ndarray:
    """Real values; one row even of a tensor without a batch."""
    if tensor.offset is not None:
        centred = array.astype(np.int32) + (tensor.offset - tensor.zero_point)
        array = (centred * tensor.scale).astype(np.float32)
    return array if array.ndim and array.shape[0] == 1 else array[None]
