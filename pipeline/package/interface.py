"""The one description of a model's inputs and outputs, from which every API is made."""

import re

from pipeline.processing.after import Postprocess
from pipeline.processing.before import Preprocess
from pipeline.processing.section import Section
from pipeline.processing.sources import Source, Values
from pipeline.report.document import Unavailable
from targets.artifact import Artifact, TensorSpec

NOT_STATED = Unavailable(unavailable="the task does not state it")
NUMERIC = {"float16": "float32", "float64": "float32", "uint32": "int64", "int16": "int32"}


class Port(Section):
    """A tensor of the model. Quantized: real = scale * (integer - zero_point); else both are null.

    Attributes:
        name: the tensor's name in this artifact.
        field: what an API calls it: a name in camelCase, valid in Kotlin, Swift, Python and C.
        shape: with the batch of 1 in front.
        dtype: as the runtime takes or gives it.
        layout: of an image, "NCHW" or "NHWC"; of anything else not stated.
    """

    name: str
    field: str
    shape: tuple[int, ...]
    dtype: str
    layout: str | Unavailable = NOT_STATED
    scale: float | None
    zero_point: int | None


class InputPort(Port):
    """An input: what an app hands over, and what is done to it before it is encoded.

    Attributes:
        source: what the app has.
        preprocess: what the app's API does, in order.
        folded: what the model itself does after that; only told.
    """

    source: Source
    preprocess: tuple[Preprocess, ...] = ()
    folded: tuple[Preprocess, ...] = ()


class OutputPort(Port):
    """An output: what is done to it after it is decoded. Without operations: its values.

    Attributes:
        postprocess: what the app's API does, in order.
    """

    postprocess: tuple[Postprocess, ...] = ()


class Interface(Section):
    """All that an API needs to know; inputs and outputs in the artifact's order."""

    class_name: str
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]


def bare(name: str, artifact: Artifact) -> Interface:
    """The interface of an artifact whose task declares nothing: tensors in, tensors out."""
    inputs = zip(_fields("input", artifact.inputs), artifact.inputs, strict=True)
    outputs = zip(_fields("output", artifact.outputs), artifact.outputs, strict=True)
    return Interface(
        class_name=class_name(name),
        inputs=tuple(_input(field, spec) for field, spec in inputs),
        outputs=tuple(OutputPort.model_validate(_facts(field, spec)) for field, spec in outputs),
    )


def class_name(name: str) -> str:
    """The name of the class in Kotlin and Swift: DigitsModel for "digits"."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(word[0].upper() + word[1:] for word in words).lstrip("0123456789")[:60]
    return f"{joined.removesuffix('Model')}Model"


def _fields(kind: str, specs: tuple[TensorSpec, ...]) -> list[str]:
    """`input` for the only one, else `input0`, `input1`: a tensor's own name may be anything."""
    return [kind] if len(specs) == 1 else [f"{kind}{index}" for index in range(len(specs))]


def _input(field: str, spec: TensorSpec) -> InputPort:
    real = "float32" if spec.quantization else NUMERIC.get(spec.dtype, spec.dtype)
    source = Values.model_validate({"shape": spec.shape[1:], "dtype": real})
    return InputPort.model_validate({**_facts(field, spec), "source": source})


def _facts(field: str, spec: TensorSpec) -> dict[str, object]:
    quantization = spec.quantization
    return {
        "name": spec.name,
        "field": field,
        "shape": spec.shape,
        "dtype": spec.dtype,
        "scale": quantization.scale if quantization else None,
        "zero_point": quantization.zero_point if quantization else None,
    }
