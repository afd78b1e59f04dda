"""Files that are no models, or are broken: one clear message and the right exit code each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper
from typer.testing import CliRunner

from pipeline.cli import app
from targets.tflite.io import packed

LIMIT = ("--limit", "size_kb=1000")


def refused(code: int, model: Path, *words: str, options: tuple[str, ...] = ()) -> str:
    """The message of a check that ends with this code; it names the file and says all words."""
    done = CliRunner().invoke(app, ["check", str(model), *LIMIT, *options])
    told = " ".join(done.output.split())
    assert done.exit_code == code, told
    assert "Traceback" not in told
    for word in (model.name, *words):
        assert word in told
    return told


def copied(foreign: Path, name: str, folder: Path) -> Path:
    for file in foreign.glob(f"{Path(name).stem}.*"):
        shutil.copy(file, folder)
    shutil.copytree(foreign / "weights", folder / "weights", dirs_exist_ok=True)
    return folder / name


MODELS = pytest.mark.parametrize("name", ["pooled.tflite", "batch.onnx", "sizes.xml"])


@MODELS
@pytest.mark.parametrize("share", [0, 0.3, 0.97])
def test_a_truncated_file(foreign: Path, tmp_path: Path, name: str, share: float) -> None:
    model = copied(foreign, name, tmp_path)
    whole = model.read_bytes()
    model.write_bytes(whole[: int(len(whole) * share)])
    refused(2, model, "can't", options=("--shape", "x=1,3,8,8") if name == "sizes.xml" else ())


@MODELS
def test_another_format_under_this_name(foreign: Path, tmp_path: Path, name: str) -> None:
    other = {"pooled.tflite": "batch.onnx", "batch.onnx": "pooled.tflite"}.get(name, "batch.onnx")
    (tmp_path / name).write_bytes((foreign / other).read_bytes())
    (tmp_path / name).with_suffix(".bin").write_bytes(b"")
    refused(2, tmp_path / name)


def test_external_data_that_is_missing(foreign: Path, tmp_path: Path) -> None:
    model = copied(foreign, "batch.onnx", tmp_path)
    (tmp_path / "weights" / "net.bin").unlink()
    refused(2, model, "net.bin: no such file")


def test_external_data_that_is_too_short(foreign: Path, tmp_path: Path) -> None:
    model = copied(foreign, "batch.onnx", tmp_path)
    (tmp_path / "weights" / "net.bin").write_bytes(bytes(10))
    refused(2, model, "can't run it")


def test_external_data_outside_the_folder(foreign: Path, tmp_path: Path) -> None:
    model = copied(foreign, "batch.onnx", tmp_path)
    content = onnx.load(model, load_external_data=False)
    for tensor in content.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../../../etc/passwd"
    model.write_bytes(content.SerializeToString())
    refused(2, model, "outside the model's folder", "/etc/passwd")


def without_outputs_onnx(path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    onnx.save(helper.make_model(helper.make_graph([node], "g", [x], [])), path)


def without_outputs_tflite(path: Path) -> None:
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.subgraphs[0].outputs = []
    path.write_bytes(packed(model, len(content)))


def without_outputs_openvino(path: Path) -> None:
    text = path.read_text()
    start = text.index("<layer", text.rindex("</layer>", 0, text.index('type="Result"')))
    end = text.index("</layer>", start) + len("</layer>")
    path.write_text(text[:start] + text[end:])


@pytest.mark.parametrize(
    ("name", "strip"),
    [
        ("pooled.tflite", without_outputs_tflite),
        ("batch.onnx", without_outputs_onnx),
        ("sizes.xml", without_outputs_openvino),
    ],
)
def test_a_model_without_outputs(
    foreign: Path, tmp_path: Path, name: str, strip: Callable[[Path], None]
) -> None:
    model = copied(foreign, name, tmp_path)
    strip(model)
    refused(2, model)


def test_an_operator_that_nobody_has(foreign: Path, tmp_path: Path) -> None:
    model = copied(foreign, "batch.onnx", tmp_path)
    content = onnx.load(model, load_external_data=False)
    for number, node in enumerate(content.graph.node[:2]):
        node.op_type, node.domain = f"Swirl{number}", "elsewhere"
    content.opset_import.append(helper.make_opsetid("elsewhere", 1))
    model.write_bytes(content.SerializeToString())
    told = refused(6, model, "elsewhere.Swirl0, elsewhere.Swirl1")
    assert "write it with standard operators" in told


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ("z=1,3,8,8", "no input is called 'z'"),
        ("x=1,4,8,8", "was asked for"),
        ("x=1,3,8", "was asked for"),
        ("x=1,3,0,8", "can't be read"),
        ("x", "can't be read"),
    ],
)
def test_shapes_that_do_not_fit(foreign: Path, shape: str, word: str) -> None:
    done = CliRunner().invoke(
        app, ["check", str(foreign / "sizes.xml"), *LIMIT, "--shape", "x=1,3,8,8", "--shape", shape]
        if shape.startswith("z")
        else ["check", str(foreign / "sizes.xml"), *LIMIT, "--shape", shape],
    )  # fmt: skip
    assert done.exit_code == 2
    assert word in " ".join(done.output.split())
