"""Float .tflite files with their weights in fewer bits.

Activations stay float32 outside; where weights are integers, XNNPACK quantizes what meets them on
the fly, a scale per row, and multiplies integers.
"""

from ai_edge_quantizer import quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

EVERY = ".*"


def with_small_weights(content: bytes, precision: str) -> bytes:
    """The file with float16 weights everywhere, or integer ones in fully connected layers: 8 bits
    per channel, or 4 bits in groups of 32."""
    manager = recipe_manager.RecipeManager()
    if precision == "float16":
        manager.add_weight_only_config(
            EVERY, TFLOperationName.ALL_SUPPORTED, 16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
    elif precision == "int8-weights":
        manager.add_dynamic_config(EVERY, TFLOperationName.FULLY_CONNECTED, 8)
    else:
        manager.add_dynamic_config(
            EVERY, TFLOperationName.FULLY_CONNECTED, 4, QuantGranularity.BLOCKWISE_32
        )
    tool = quantizer.Quantizer(content, manager.get_quantization_recipe())
    return bytes(tool.quantize(enable_progress_report=False).quantized_model)
