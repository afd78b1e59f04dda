import re
from importlib.util import find_spec
from pathlib import Path

from pipeline.package.mcu.operators import RESOLVER


def test_tflite_micro_has_a_kernel_for_every_operator():
    found = find_spec("tflite_micro.python.tflite_micro._runtime")
    symbols = re.findall(rb"\d+Register_([A-Z0-9_]+)Ev", Path(found.origin).read_bytes())
    kernels = {name.decode() for name in symbols}
    assert {"CONV_2D", "RELU"} <= kernels
    assert set(RESOLVER) <= kernels


def test_the_methods_are_named_as_the_resolver_names_them():
    for operator in ("L2_NORMALIZATION", "LOG_SOFTMAX", "RESIZE_NEAREST_NEIGHBOR", "RELU6"):
        assert RESOLVER[operator] == "Add" + operator.title().replace("_", "")
    assert RESOLVER["BATCH_TO_SPACE_ND"] == "AddBatchToSpaceNd"
    assert RESOLVER["CONV_2D"] == "AddConv2D"
