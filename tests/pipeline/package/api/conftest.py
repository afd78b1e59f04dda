"""Models that exist in name only, whose APIs together need every operation and every dtype."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import numpy as np
import pytest

from pipeline.package.golden import Golden
from pipeline.package.interface import InputPort, Interface, OutputPort
from pipeline.package.mobile import PINNED, Mobile
from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Postprocess, Softmax, TopK
from pipeline.processing.before import (
    CenterCrop,
    Expand,
    Fit,
    Layout,
    Level,
    LogMel,
    Normalize,
    Preprocess,
    Resize,
    Scale,
)
from pipeline.processing.flow import flow, start
from pipeline.processing.prepare import prepare
from pipeline.processing.sources import Audio, Image, Source, Values
from targets.artifact import FORMAT_OF_RUNTIME, Artifact, Quantization, TensorSpec
from targets.tflite.io import packed

MODEL = b"model"
NASTY = ("plain", 'say "hi"', "back\\slash", "${dollar} $x \\(y)", "two\nlines\t", "größe 😀", "*/")
WINDOW = {"window": 256, "hop": 128, "bands": 20, "lowest_hz": 60.0, "floor": 1e-4}


@dataclass(frozen=True)
class Case:
    """A model: what the app gives, as arrays of one sample each, and what its tensors are."""

    delivery: object
    runtime: str
    given: tuple[np.ndarray, ...]

    @property
    def interface(self) -> Interface:
        return self.delivery.interface

    @property
    def artifact(self) -> Artifact:
        return self.delivery.artifact

    @property
    def mobile(self) -> Mobile:
        return Mobile(self.runtime, PINNED["android"][self.runtime], f"{self.runtime} 1")


@dataclass(frozen=True)
class In:
    source: Source
    operations: tuple[Preprocess, ...] = ()
    dtype: str = "float32"
    scale: float | None = None
    sizes: tuple[int, ...] = ()  # of what the app gives, where it may give any

    def spec(self, name: str) -> TensorSpec:
        states = flow(self.source, self.operations)
        shape = states[-1].shape if states else start(self.source).shape
        return spec(name, shape, self.dtype, self.scale)

    def sample(self, random: np.random.Generator) -> np.ndarray:
        shape = self.sizes or self.source.shape
        if self.source.dtype == "float32":
            return random.normal(size=shape).astype(np.float32)
        if self.source.dtype == "bool":
            return random.integers(2, size=shape).astype(bool)
        limits = np.iinfo(self.source.dtype)
        least, most = max(limits.min, -(2**50)), min(limits.max, 2**50)  # doubles hold them all
        return random.integers(least, most, size=shape, dtype=self.source.dtype)


@dataclass(frozen=True)
class Out:
    shape: tuple[int, ...]
    operations: tuple[Postprocess, ...] = ()
    dtype: str = "float32"
    scale: float | None = None


def spec(name: str, shape: tuple[int, ...], dtype: str, scale: float | None) -> TensorSpec:
    zero_point = {"int8": -3, "uint8": 120}.get(dtype, 0)
    quantization = None if scale is None else Quantization(scale, zero_point)
    return TensorSpec(name, (1, *shape), dtype, quantization)


PHOTO = In(
    Image(color="rgb"),
    (
        Resize(height=9, width=7),
        CenterCrop(height=6, width=4),
        Scale(factor=1 / 255, offset=0.1),
        Normalize(mean=(0.48, 0.45, 0.4), std=(0.22, 0.21, 0.2)),
        Layout(to="CHW"),
    ),
    dtype="int8",
    scale=0.02,
    sizes=(13, 17, 3),
)
SCENE = In(
    Image(color="gray", height=8, width=6, dtype="float32"),
    (Resize(height=5, width=9, method="nearest"), Layout(to="CHW"), Layout(to="HWC")),
    dtype="uint8",
    scale=0.05,
)
VOICE = In(
    Audio(rate_hz=8000, dtype="int16"),
    (
        Level(),
        Fit(samples=2000),
        LogMel(**WINDOW, transform=512, highest_hz=4000.0),
        Normalize(mean=(-7.26,), std=(3.1,)),
        Expand(),
    ),
    sizes=(1501,),
)
HUM = In(
    Audio(rate_hz=16000, samples=900),
    (
        Fit(samples=801),
        LogMel(**WINDOW, transform=300, highest_hz=7000.0, hann="periodic"),
    ),
)
ANCHORS = tuple((0.1 * i, 0.5, 0.3, 0.2 + 0.01 * i) for i in range(12))
CASES = {
    "photos": ("tflite", [PHOTO], [Out((7,), (Softmax(), TopK(k=3, labels=NASTY)))]),
    "pages": ("onnxruntime", [SCENE], [Out((3, 4, 5), (ArgmaxMask(labels=("a", "b")),))]),
    "fields": ("tflite", [replace(PHOTO, dtype="float32", scale=None)],
               [Out((4, 5, 3), (Softmax(), ArgmaxMask(axis=-1))),
                Out((3, 2, 2), (Softmax(axis=0),))]),
    "voices": ("tflite", [VOICE], [Out((10,), (Softmax(),), "int8", 0.1)]),
    "hums": ("onnxruntime", [HUM], [Out((4,), (TopK(k=9),), "uint8", 0.1)]),
    "waves": ("tflite", [In(Audio(rate_hz=8000, samples=30, dtype="int16")),
                         In(Image(color="gray", height=2, width=3))], [Out((2,))]),
    "streets": ("tflite", [In(Values(shape=(2, 3)))], [
        Out((12, 4), (DecodeBoxes(scores=1, form="cxcywh", anchors=ANCHORS, activation="sigmoid",
                                  background=0, score_threshold=0.3, iou_threshold=0.2, most=5,
                                  labels=NASTY),)),
        Out((12, 3)),
    ]),
    "lanes": ("tflite", [In(Values(shape=(2, 3)))], [
        Out((4, 12), (Softmax(axis=0),)),
        Out((4, 12), (DecodeBoxes(scores=0, transposed=True, score_threshold=0.3,
                                  iou_threshold=0.9),)),
    ]),
    "squares": ("onnxruntime", [In(Values(shape=(3,)))], [
        Out((6, 40), (DecodeBoxes(transposed=True, form="yxyx", score_threshold=0.1,
                                  iou_threshold=0.1, per_class=False),)),
    ]),
    "words": ("onnxruntime", [
        In(Values(shape=(5,), dtype="int32"), dtype="int64"),
        In(Values(shape=(5,), dtype="bool"), dtype="bool"),
        In(Values(shape=(2, 2), dtype="uint8"), dtype="uint8"),
        In(Values(shape=(3,), dtype="int64"), dtype="int32"),
        In(Values(shape=(4,), dtype="int8"), dtype="int8"),
    ], [Out((4,), (), "int64"), Out((2,), (), "bool"), Out((3,), (), "uint8"),
        Out((3,), (), "int32"), Out((2, 2), (), "int8", 0.5)]),
    "sums": ("tflite", [
        In(Values(shape=(3,)), (Scale(factor=2.5),)),
        In(Values(shape=(4,), dtype="int64"), dtype="int64"),
        In(Values(shape=(2,), dtype="bool"), dtype="bool"),
    ], [Out((3,)), Out((2,), (), "int32"), Out((2,), (), "bool")]),
}  # fmt: skip


@pytest.fixture(scope="session")
def cases(deliver, tmp_path_factory) -> dict[str, Case]:
    """Every model by its name."""
    folder = tmp_path_factory.mktemp("cases")
    return {name: case(name, *parts, deliver, folder) for name, parts in CASES.items()}


def case(name, runtime, entered: list[In], left: list[Out], deliver, folder: Path) -> Case:
    random = np.random.default_rng(5)
    inputs = tuple(one.spec(f"in:{index}") for index, one in enumerate(entered))
    outputs = tuple(
        spec(f'out "{index}"', one.shape, one.dtype, one.scale) for index, one in enumerate(left)
    )
    format_ = FORMAT_OF_RUNTIME[runtime]
    path = folder / f"{name}.{format_}"
    if runtime == "tflite":
        path.write_bytes(signed(len(inputs), len(outputs)))
    digest = sha256(MODEL).hexdigest()  # of what an app has as its asset
    artifact = Artifact(path, format_, digest, len(MODEL), inputs, outputs)
    given = tuple(one.sample(random) for one in entered)
    sources = tuple(np.stack([array, array]) for array in given)
    parts = zip(sources, entered, inputs, strict=True)
    vectors = Golden(
        tuple(values(array, one, made) for array, one, made in parts),
        tuple(golden(one, random) for one in outputs),
        sources=sources,
    )
    interface = Interface(
        class_name=f"{name.capitalize()}Model",
        inputs=tuple(
            InputPort(**facts(f"given{index}", inputs[index]), source=one.source,
                      preprocess=one.operations)
            for index, one in enumerate(entered)
        ),
        outputs=tuple(
            OutputPort(**facts(f"found{index}", outputs[index]), postprocess=one.operations)
            for index, one in enumerate(left)
        ),
    )  # fmt: skip
    delivery = deliver((artifact, vectors), name=name, interface=interface)
    return Case(delivery, runtime, given)


def values(array: np.ndarray, one: In, made: TensorSpec) -> np.ndarray:
    """What the tensor takes of what the app has, as values."""
    prepared = prepare(array, one.source, one.operations)
    return prepared if made.quantization else prepared.astype(made.dtype)


def golden(one: TensorSpec, random: np.random.Generator) -> np.ndarray:
    """Two samples of a tensor's values."""
    real = random.normal(size=(2, *one.shape[1:]), scale=3)
    return one.decode(real.astype(one.dtype))


def facts(field: str, one: TensorSpec) -> dict:
    quantization = one.quantization
    return {
        "name": one.name,
        "field": field,
        "shape": one.shape,
        "dtype": one.dtype,
        "scale": quantization.scale if quantization else None,
        "zero_point": quantization.zero_point if quantization else None,
    }


def signed(inputs: int, outputs: int) -> bytes:
    """A .tflite of inputs, outputs and a signature, and nothing between them."""
    graph = schema.SubGraphT()
    graph.tensors = [schema.TensorT() for _ in range(inputs + outputs)]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = b"t%d" % index
    graph.inputs = list(range(inputs))
    graph.outputs = list(range(inputs, inputs + outputs))
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    signature.inputs = [tensor_map(index) for index in graph.inputs]
    signature.outputs = [tensor_map(index) for index in graph.outputs]
    model = schema.ModelT()
    model.version, model.subgraphs, model.signatureDefs = 3, [graph], [signature]
    return packed(model, 256)


def tensor_map(index: int) -> schema.TensorMapT:
    one = schema.TensorMapT()
    one.name, one.tensorIndex = b"arg%d" % index, index
    return one
