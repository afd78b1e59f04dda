"""NNCF, OpenVINO's own quantizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from targets.openvino.saving import rename, serialise
from targets.openvino.telemetry import declined

with declined():
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

ATTENTION = frozenset({"ScaledDotProductAttention", "Softmax", "SoftMax"})
"""What makes NNCF look for a transformer's patterns."""
RANGES = {
    "min-max": RangeEstimatorParametersSet.MINMAX,
    "moving-average": RangeEstimatorParametersSet.MEAN_MINMAX,
    "percentile": RangeEstimatorParametersSet.MEAN_QUANTILE,
}


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
    """Writes the int8 version of a float .xml. Files take float32, and types are the compiler's."""
    whole = openvino.Core().read_model(model)
    attends = any(node.get_type_name() in ATTENTION for node in whole.get_ops())
    named = [port.get_any_name() for port in whole.inputs]
    found = nncf.quantize(
        whole,
        nncf.Dataset([dict(zip(named, row, strict=True)) for row in rows]),
        subset_size=len(rows),
        model_type=nncf.ModelType.TRANSFORMER if attends else None,
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RANGES[range],
            disable_bias_correction=not correct_bias,
        ),
    )
    rename(found)
    topology, weights = serialise(found)
    path.with_suffix(".bin").write_bytes(weights)
    path.write_bytes(topology)
