"""TFLite metadata, read back by what is known of its schema."""

import io
import zipfile
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import numpy as np
import pytest
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from pipeline.package.interface import InputPort, Interface, OutputPort
from pipeline.package.tflite_metadata import normalization, with_metadata
from pipeline.processing.after import Softmax, TopK
from pipeline.processing.before import Level, Normalize, Resize, Scale
from pipeline.processing.sources import Audio, Image
from targets.artifact import Artifact, decode_all
from targets.tflite.io import packed
from targets.tflite.session import Session

LABELS = ("zero", "one", "zwei", "größe")


@pytest.fixture(scope="module")
def written(tflite_made) -> bytes:
    artifact, _ = tflite_made
    return with_metadata(artifact.path.read_bytes(), "Relu", "A net.", interface(artifact))


@pytest.fixture(scope="module")
def tflite_made(tmp_path_factory, make_artifact):
    return make_artifact("tflite", tmp_path_factory.mktemp("tflite"))


def interface(artifact: Artifact) -> Interface:
    image = {
        "source": Image(color="rgb"),
        "layout": "NHWC",
        "preprocess": (Resize(height=2, width=3), Scale(factor=1 / 255), NORMALIZE),
    }
    shape = {"shape": (1, 2, 3, 3), "scale": 0.05, "zero_point": -3, "dtype": "int8"}
    after = (Softmax(), TopK(k=2, labels=LABELS))
    output = {**shape, "shape": (1, 4), "postprocess": after}
    return Interface(
        class_name="ReluModel",
        inputs=(InputPort(name="x", field="image", **shape, **image),),
        outputs=(OutputPort(name="y", field="kind", **output),),
    )


NORMALIZE = Normalize(mean=(0.5, 0.4, 0.3), std=(0.25,))


def metadata(content: bytes) -> Table:
    """The root table of the metadata in a .tflite."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (entry,) = (one for one in model.metadata if one.name == b"TFLITE_METADATA")
    told = bytes(model.buffers[entry.buffer].data)
    assert told[4:8] == b"M001"
    return Table(told, encode.Get(packer.uoffset, told, 0))


def place(table: Table, field: int) -> int:
    return table.Pos + table.Offset(4 + 2 * field)


def text(table: Table, field: int) -> str:
    return table.String(place(table, field)).decode()


def below(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(place(table, field)))


def each(table: Table, field: int) -> list[Table]:
    offset = table.Offset(4 + 2 * field)
    start = table.Vector(offset)
    count = table.VectorLen(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * index)) for index in range(count)]


def byte(table: Table, field: int) -> int:
    return table.Get(number_types.Uint8Flags, place(table, field))


def whole(table: Table, field: int) -> int:
    return table.Get(number_types.Uint32Flags, place(table, field))


def floats(table: Table, field: int) -> list[float]:
    return table.GetVectorAsNumpy(number_types.Float32Flags, table.Offset(4 + 2 * field)).tolist()


def test_the_model_is_described(written: bytes):
    root = metadata(written)
    assert (text(root, 0), text(root, 1), text(root, 7)) == ("Relu", "A net.", "1.0.0")
    (graph,) = each(root, 3)
    (entered,), (left,) = each(graph, 2), each(graph, 3)
    assert (text(entered, 0), text(left, 0)) == ("x", "y")


def test_an_image_is_told_with_its_normalization(written: bytes):
    (graph,) = each(metadata(written), 3)
    (entered,) = each(graph, 2)
    content = below(entered, 3)
    assert byte(content, 0) == 2  # ImageProperties
    properties = below(content, 1)
    assert byte(properties, 0) == 1  # RGB
    assert (whole(below(properties, 1), 0), whole(below(properties, 1), 1)) == (3, 2)
    (unit,) = each(entered, 4)
    assert byte(unit, 0) == 1  # NormalizationOptions
    assert floats(below(unit, 1), 0) == pytest.approx([127.5, 102, 76.5])
    assert floats(below(unit, 1), 1) == pytest.approx([63.75] * 3)


def test_labels_are_a_stored_file(written: bytes):
    (graph,) = each(metadata(written), 3)
    (left,) = each(graph, 3)
    (file,) = each(left, 6)
    assert byte(file, 2) == 2  # TENSOR_AXIS_LABELS
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == (text(file, 0), zipfile.ZIP_STORED)
        assert archive.read(entry).decode().split("\n") == list(LABELS)


def test_graph_and_results_stay(written: bytes, tflite_made, tmp_path: Path):
    artifact, golden = tflite_made
    model = schema.ModelT.InitFromPackedBuf(written, 0)
    model.metadata, model.buffers = None, model.buffers[:-1]
    plain = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    assert packed(model, 1024) == packed(plain, 1024)
    (tmp_path / "model.tflite").write_bytes(written)
    session = Session(str(tmp_path / "model.tflite"))
    session.prepare()
    row = artifact.inputs[0].encode(golden.inputs[0][:1])
    found = decode_all(artifact.outputs, session.invoke([row]))
    assert np.array_equal(found[0], golden.outputs[0][:1])


def test_the_same_model_gives_the_same_bytes(written: bytes, tflite_made):
    artifact, _ = tflite_made
    facts = ("Relu", "A net.", interface(artifact))
    assert with_metadata(artifact.path.read_bytes(), *facts) == written


def test_only_an_image_has_one_normalization():
    facts = {"name": "x", "field": "x", "shape": (1, 9), "dtype": "float32", "scale": None,
             "zero_point": None}  # fmt: skip
    sound = InputPort(**facts, source=Audio(rate_hz=8000), preprocess=(Level(), NORMALIZE))
    assert normalization(sound) is None
    bare = InputPort(**facts, source=Image(color="gray"))
    assert normalization(bare) is None
