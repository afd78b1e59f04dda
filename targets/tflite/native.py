"""ai-edge-quantizer, LiteRT's own quantizer, with the whole range of every tensor.

Its public calibration smooths minima and maxima over the samples, and so forgets the largest.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
from ai_edge_quantizer.utils import qsv_utils
from numpy.typing import NDArray

from targets.tflite.io import with_float_io


def quantize(
    model: Path,
    rows: Sequence[Sequence[NDArray[Any]]],
    path: Path,
    *,
    range: str,  # noqa: A002 the setting's name
    correct_bias: bool,
    activations: str,
    io: str,
) -> None:
    """Writes the int8 version of a float .tflite. This tool corrects no bias; int8 is its type."""
    if range != "min-max":
        raise ValueError(f"ai-edge-quantizer has no range '{range}'; it has min-max")
    content = model.read_bytes()
    key, names = _signature(content)
    wanted = recipe.static_wi8_ai8()
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(wanted)
    statistics = calibrator.Calibrator(
        content, num_threads=1, qsv_update_func=qsv_utils.min_max_update
    )
    data = [dict(zip(names, row, strict=True)) for row in rows]
    statistics.calibrate({key: data}, manager)
    tool = quantizer.Quantizer(content, wanted)
    made = tool.quantize(statistics.get_model_qsvs(), enable_progress_report=False)
    found = bytes(made.quantized_model)
    path.write_bytes(with_float_io(found) if io == "float32" else found)


def _signature(content: bytes) -> tuple[str, list[str]]:
    """The signature's name, and its inputs' in the order of the graph's."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    first = model.signatureDefs[0]
    names = {int(one.tensorIndex): one.name.decode() for one in first.inputs}
    order = [names[int(index)] for index in model.subgraphs[0].inputs]
    return first.signatureKey.decode(), order
