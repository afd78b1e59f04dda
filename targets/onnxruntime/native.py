"""ONNX Runtime's own quantizer: QDQ, weights per channel, static ranges."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from targets.onnxruntime.strip import strip

RANGES = {
    "min-max": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
TYPES = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}


class _Rows(CalibrationDataReader):  # type: ignore[misc] # an untyped base
    """Hands out samples by the names of the model's inputs."""

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[NDArray[Any]]]) -> None:
        self._left = iter([dict(zip(names, row, strict=True)) for row in rows])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next sample, None after the last."""
        return next(self._left, None)


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
    """Writes the int8 version of a float .onnx. This tool corrects no bias, and files take float32.

    Its own default, int8 activations, is slower than float32 on x86: the type is asked for.
    """
    names = [entry.name for entry in onnx.load(model, load_external_data=False).graph.input]
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "made.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            _Rows(names, rows),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=TYPES[activations],
            weight_type=QuantType.QInt8,
            calibrate_method=RANGES[range],
        )
        whole = strip(onnx.load(made))
    path.write_bytes(whole.SerializeToString(deterministic=True))
