"""Exports a graph to OpenVINO's IR. Desk side: imports torch."""

import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

import torch

from targets.conversion import Activations, Precision, converting, publish, specialise

if TYPE_CHECKING:
    import openvino

FOLDED = False
NUMBERED = re.compile(r"^\w+_\d+$")


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
) -> Path:
    """Writes the graph as a static .xml with its .bin for these inputs (batch 1); returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one, weights not folded.
    Weights are never compressed to float16. The same graph gives the same bytes in any process.
    Raises ConversionError for what the converter refuses.
    """
    with converting("OpenVINO"):
        model = _convert(module, inputs)
        topology, weights = _serialise(model)
    publish({path: topology, path.with_suffix(".bin"): weights})
    return path


def _decline_telemetry() -> None:
    """Keeps the openvino package from loading its telemetry.

    On import it reports to a server unless its user has opted out; without the telemetry package
    it takes a stub.
    """
    sys.modules.setdefault("openvino_telemetry", cast("ModuleType", None))


def _convert(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> "openvino.Model":
    _decline_telemetry()
    import openvino

    shapes = [list(tensor.shape) for tensor in inputs]
    return _rename(openvino.convert_model(specialise(module, inputs), input=shapes))


def _rename(model: "openvino.Model") -> "openvino.Model":
    """Numbers nodes by their place in the graph: OpenVINO counts them over the whole process."""
    model.set_friendly_name("main_graph")
    for position, node in enumerate(model.get_ordered_ops()):
        if NUMBERED.match(node.get_friendly_name()) and node.get_type_name() != "Parameter":
            node.set_friendly_name(f"{node.get_type_name()}_{position}")
    return model


def _serialise(model: "openvino.Model") -> tuple[bytes, bytes]:
    """The contents of the .xml and the .bin."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "model.xml"
        openvino.save_model(model, topology, compress_to_fp16=False)
        return topology.read_bytes(), topology.with_suffix(".bin").read_bytes()
