"""Makes the 8-bit tensors of an OpenVINO model outputs of a copy.

Travels to devices: numpy and the runtime only, Python 3.9 syntax.
"""

from typing import List, Optional, Tuple

import numpy as np

from targets.agent.layers import Exposed
from targets.openvino.telemetry import declined

with declined():
    import openvino as ov

LEVELS = 256


def expose(path: str, copy: str) -> List[Exposed]:
    """Writes the copy; every FakeQuantize of computed values with one range is exposed."""
    model = ov.Core().read_model(path)
    found = []
    for node in model.get_ordered_ops():
        affine = _affine(node) if node.get_type_name() == "FakeQuantize" else None
        if affine is None:
            continue
        found.append(Exposed(node.get_friendly_name(), *affine, _place(node, model)))
    ov.save_model(model, copy, compress_to_fp16=False)
    return found


def _place(node: ov.Node, model: ov.Model) -> int:
    """The place of a node's value among the model's outputs, where it is put if it isn't one."""
    makers = [port.get_node().input_value(0).get_node() for port in model.outputs]
    names = [maker.get_friendly_name() for maker in makers]
    if node.get_friendly_name() not in names:
        model.add_outputs([node.output(0)])
        return len(names)
    return names.index(node.get_friendly_name())


def _affine(node: ov.Node) -> Optional[Tuple[float, int]]:
    """The scale and the zero point of the int8 that a FakeQuantize's limits come to."""
    limits = [node.input_value(index).get_node() for index in (3, 4)]
    data = node.input_value(0).get_node()
    constants = all(one.get_type_name() == "Constant" for one in limits)
    levels = int(node.get_attributes()["levels"])
    if not constants or data.get_type_name() == "Constant" or levels != LEVELS:
        return None
    low, high = (np.asarray(one.get_data(), np.float64).ravel() for one in limits)
    if low.size != 1 or high.size != 1:
        return None
    scale = float(high[0] - low[0]) / (LEVELS - 1)
    return scale, round(-float(low[0]) / scale) - LEVELS // 2
