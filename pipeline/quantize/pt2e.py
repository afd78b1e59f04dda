"""The parts of torchao's PT2E that this room uses, imported in silence.

On import torchao announces the GPU kernels that it can't load.
"""

from targets.conversion import silence

with silence():
    from torchao.quantization.pt2e.observer import (
        FixedQParamsObserver,
        MinMaxObserver,
        PerChannelMinMaxObserver,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import (
        FixedQParamsQuantizationSpec,
        QuantizationAnnotation,
        QuantizationSpec,
        SharedQuantizationSpec,
    )
    from torchao.quantization.pt2e.quantizer.quantizer import QuantizationSpecBase

__all__ = [
    "FixedQParamsObserver",
    "FixedQParamsQuantizationSpec",
    "MinMaxObserver",
    "PerChannelMinMaxObserver",
    "QuantizationAnnotation",
    "QuantizationSpec",
    "QuantizationSpecBase",
    "SharedQuantizationSpec",
    "convert_pt2e",
    "prepare_pt2e",
]
