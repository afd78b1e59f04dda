"""The one description of a model's inputs and outputs, from which every API is made."""

import re
from collections.abc import Sequence
from typing import TypeVar

from pipeline.package.reserved import RESERVED
from pipeline.processing.after import Postprocess
from pipeline.processing.before import Preprocess
from pipeline.processing.declared import NOTHING, Declared, DeclaredInput, DeclaredOutput
from pipeline.processing.section import Section
from pipeline.processing.sources import Source, Values
from pipeline.report.document import Unavailable
from targets.artifact import Artifact, Quantization, TensorSpec
from targets.errors import ConversionError

NOT_STATED = Unavailable(unavailable="the task does not state it")
Stated = TypeVar("Stated", DeclaredInput, DeclaredOutput)
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

    @property
    def spec(self) -> TensorSpec:
        """The tensor as an artifact has it."""
        if self.scale is None:
            return TensorSpec(self.name, self.shape, self.dtype)
        meant = Quantization(self.scale, self.zero_point or 0)
        return TensorSpec(self.name, self.shape, self.dtype, meant)


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

    @property
    def module(self) -> str:
        """The name of a Python module and of a C++ namespace: digits_model for DigitsModel.

        Never `model`, which is the folder that every package has its model in.
        """
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.class_name).lower()
        return f"any_{name}" if name == "model" else name


def described(name: str, artifact: Artifact, declared: Declared = NOTHING) -> Interface:
    """The interface of an artifact: tensors in, tensors out, and between them and the app what the
    task declares.

    Raises ConversionError where the artifact has not the inputs and outputs that the task's model
    has.
    """
    entries = _paired("input", artifact.inputs, declared.inputs)
    exits = _paired("output", artifact.outputs, declared.outputs)
    return Interface(
        class_name=class_name(name),
        inputs=tuple(
            _input(*each) for each in zip(_fields("input", entries), entries, strict=True)
        ),
        outputs=tuple(_output(*each) for each in zip(_fields("output", exits), exits, strict=True)),
    )


def _paired(
    kind: str, specs: tuple[TensorSpec, ...], stated: Sequence[Stated | None]
) -> list[tuple[TensorSpec, Stated | None]]:
    """Each tensor with what is declared of it."""
    if stated and len(stated) != len(specs):
        raise ConversionError(
            f"the artifact has {len(specs)} {kind}s, and the task declares {len(stated)}: the "
            "converter left out what the model does not use; leave it out of the task, too"
        )
    return list(zip(specs, stated or [None] * len(specs), strict=True))


def class_name(name: str) -> str:
    """The name of the class in Kotlin and Swift: DigitsModel for "digits"."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(word[0].upper() + word[1:] for word in words).lstrip("0123456789")[:60]
    return f"{joined[:1].upper()}{joined[1:].removesuffix('Model')}Model"


def _fields(kind: str, paired: Sequence[tuple[TensorSpec, Stated | None]]) -> list[str]:
    """`input` for the only one, else the declared name, or `input0`: a tensor's own name may be
    anything."""
    if len(paired) == 1:
        return [kind]
    numbered = re.compile(rf"{kind}\d+")  # such a name is another one's where that has none
    found: list[str] = []
    for index, (_, stated) in enumerate(paired):
        field = camel(stated.name) if stated else ""
        taken = not field or field in RESERVED or field in found or numbered.fullmatch(field)
        found.append(f"{kind}{index}" if taken else field)
    return found


def camel(name: str) -> str:
    """A name in camelCase, of letters and digits alone; "" where it has no letter to begin with."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(word[0].upper() + word[1:] for word in words).lstrip("0123456789")[:40]
    return joined[:1].lower() + joined[1:]


def _input(field: str, paired: tuple[TensorSpec, DeclaredInput | None]) -> InputPort:
    spec, declared = paired
    if declared is None:
        real = "float32" if spec.quantization else NUMERIC.get(spec.dtype, spec.dtype)
        source = Values.model_validate({"shape": spec.shape[1:], "dtype": real})
        return InputPort.model_validate({**_facts(field, spec), "source": source})
    layout = declared.state.layout
    return InputPort.model_validate(
        {
            **_facts(field, spec),
            "layout": f"N{layout}" if "C" in layout else NOT_STATED,
            "source": declared.source,
            "preprocess": declared.operations,
            "folded": declared.folded,
        }
    )


def _output(field: str, paired: tuple[TensorSpec, DeclaredOutput | None]) -> OutputPort:
    spec, declared = paired
    operations = declared.operations if declared else ()
    return OutputPort.model_validate({**_facts(field, spec), "postprocess": operations})


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
