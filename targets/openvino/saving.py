"""An OpenVINO model as the bytes of its two files, the same in any process."""

import re
import tempfile
from pathlib import Path

from targets.openvino.telemetry import declined

with declined():
    import openvino

BETWEEN_TAGS = re.compile(rb">\s+<")
NUMBERED = re.compile(r"^\w+_\d+$")


def rename(model: openvino.Model) -> None:
    """Numbers nodes by their place in the graph: OpenVINO counts them over the whole process."""
    model.set_friendly_name("main_graph")
    for position, node in enumerate(model.get_ordered_ops()):
        if NUMBERED.match(node.get_friendly_name()) and node.get_type_name() != "Parameter":
            node.set_friendly_name(f"{node.get_type_name()}_{position}")


def serialise(model: openvino.Model, *, float16: bool = False) -> tuple[bytes, bytes]:
    """The contents of the .xml, without its indentation (a third of it), and of the .bin.

    With `float16`, float weights are stored in half precision, and computed with in whichever the
    runtime is told to.
    """
    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "model.xml"
        openvino.save_model(model, topology, compress_to_fp16=float16)
        weights = topology.with_suffix(".bin").read_bytes()
        return BETWEEN_TAGS.sub(b"><", topology.read_bytes()), weights
