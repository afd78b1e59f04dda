"""Which files an .onnx keeps its weights in: read without a runtime, none outside its folder."""

import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from targets.artifact import files_of
from targets.errors import ArtifactError
from targets.onnxruntime import external


def weights(name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones((16, 16), np.float32), name)


def value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 16])


def model() -> onnx.ModelProto:
    """A constant in the graph, one in an attribute and one in a branch."""
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["a", "third"], ["t"])],
        "t",
        [],
        [value("t")],
        [weights("third")],
    )
    nodes = [
        helper.make_node("Constant", [], ["second"], value=weights("second")),
        helper.make_node("MatMul", ["x", "first"], ["m"]),
        helper.make_node("MatMul", ["m", "second"], ["a"]),
        helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch),
    ]
    condition = helper.make_tensor_value_info("condition", TensorProto.BOOL, [])
    graph = helper.make_graph(nodes, "g", [value("x"), condition], [value("y")], [weights("first")])
    return helper.make_model(graph)


def saved(path: Path, location: str = "weights/all.bin", others: str = "rest.bin") -> Path:
    """The model with its first tensor at `location`, and the second and third at `others`."""
    whole = model()
    branches = [attribute.g for attribute in whole.graph.node[3].attribute]
    tensors = [
        (whole.graph.initializer[0], location),
        (whole.graph.node[0].attribute[0].t, others),
        *((branch.initializer[0], others) for branch in branches),
    ]
    for tensor, where in tensors:
        content = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, told in (("location", where), ("offset", "0"), ("length", str(len(content)))):
            tensor.external_data.add(key=key, value=told)
    path.write_bytes(whole.SerializeToString())
    return path


def test_every_file_is_found_wherever_its_tensor_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx")
    for name in ("weights/all.bin", "rest.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1024))
    assert files_of(path) == [path, tmp_path / "rest.bin", tmp_path / "weights" / "all.bin"]


def test_a_whole_file_has_no_companions(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(model(), path)
    (tmp_path / "net.onnx.data").write_bytes(b"of another model")
    assert files_of(path) == [path]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"rest\.bin: no such file; the model at net\.onnx"):
        files_of(saved(tmp_path / "net.onnx"))


@pytest.mark.parametrize("location", ["/etc/passwd", "../beside.bin", "a/../../b.bin", "", "..\\b"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "beside.bin").write_bytes(bytes(1024))
    with pytest.raises(ArtifactError, match="outside the model's folder"):
        files_of(saved(folder / "net.onnx", location))


def test_a_link_to_the_outside_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1024))
    (folder / "rest.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactError, match="outside the model's folder"):
        files_of(saved(folder / "net.onnx", "rest.bin"))


@pytest.mark.parametrize("content", [b"", bytes(64), b"no model", b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_model_is_left_to_its_runtime(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert files_of(path) == [path]


def test_a_cut_file_tells_of_what_is_left(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", "/outside.bin")
    whole = path.read_bytes()
    path.write_bytes(b"\x0b\x0c" + whole)  # between the ends of a group, which ONNX never writes
    with pytest.raises(ArtifactError, match=r"outside\.bin"):
        files_of(path)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            assert files_of(path)[0] == path
        except ArtifactError as error:
            assert "/outside.bin" in str(error)


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds bytes."""
    length, written = len(content), b""
    while length > 127:
        length, written = length >> 7, written + bytes([length & 127 | 128])
    return bytes([number << 3 | 2]) + written + bytes([length]) + content


def kept_at(*locations: bytes) -> bytes:
    """A model whose tensors are kept at these places."""
    entries = [field(13, field(1, b"location") + field(2, one)) for one in locations]
    return field(7, b"".join(field(5, one) for one in entries))


def nested(depth: int) -> bytes:
    """A node's attribute is a graph whose node has an attribute, and so on."""
    content = b""
    for _ in range(depth):
        content = field(1, field(5, field(6, content)))
    return field(7, content)


MANY = 200_000
EXCESSIVE = {
    "empty messages": (b"\x3a\x00" * MANY, "more than 100,000 fields"),
    "empty nodes": (field(7, b"\x0a\x00" * MANY), "more than 100,000 fields"),
    "empty entries": (field(7, field(5, b"\x6a\x00" * MANY)), "more than 100,000 fields"),
    "numbers": (field(7, field(1, field(5, b"\x40\x05" * MANY))), "more than 100,000 fields"),
    "a long location": (kept_at(b"a" * 5000), "by more than 4,096 bytes"),
    "many files": (kept_at(*(b"%d" % one for one in range(10_001))), "more than 10,000 files"),
    "messages in messages": (nested(40), "more than 100 messages"),
}


@pytest.mark.parametrize("kind", EXCESSIVE)
def test_what_takes_too_much_to_look_through_is_refused(kind: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(external, "_MOST_FIELDS", 100_000)
    content, told = EXCESSIVE[kind]
    path = tmp_path / "net.onnx"
    path.write_bytes(content + kept_at(b"weights.bin"))
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match=told):
            files_of(path)
        # what is held is a message at each depth, and the names of 10,000 files
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_model_that_keeps_nothing_elsewhere_may_be_of_any_size(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(external, "_MOST_FIELDS", 10)
    path = tmp_path / "net.onnx"
    onnx.save(model(), path)
    assert files_of(path) == [path]
