"""The model in the further forms that a phone's tools ask for, beside the one that was measured."""

from pydantic import JsonValue

from pipeline.package.contents import Delivery
from pipeline.package.ort_format import ort_format
from pipeline.package.tflite_metadata import with_metadata
from targets.errors import ConversionError

METADATA = "metadata/model.tflite"
ORT, OPERATORS = "ort/model.ort", "ort/required_operators_and_types.config"


def extras(delivery: Delivery) -> tuple[dict[str, bytes], dict[str, JsonValue]]:
    """Members by path, and what the manifest's `details` tell of them.

    A .tflite also with TFLite metadata; an .onnx also in ONNX Runtime's own format, with the
    operators for a reduced build of the runtime, or the reason why not.
    """
    if delivery.artifact.format == "tflite":
        content = with_metadata(
            delivery.artifact.path.read_bytes(),
            delivery.name,
            delivery.description,
            delivery.interface,
        )
        return {METADATA: content}, {"tflite_metadata": METADATA}
    try:
        made = ort_format(delivery.artifact, delivery.golden)
    except ConversionError as error:
        return {}, {"ort_format": {"unavailable": str(error)}}
    facts: JsonValue = {
        "model": ORT,
        "required_operators": OPERATORS,
        "largest_difference_from_golden_in_tolerances": made.worst,
    }
    return {ORT: made.model, OPERATORS: made.operators}, {"ort_format": facts}
