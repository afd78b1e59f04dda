"""Makes the small models of the contract suite, in a process of its own (it imports torch).

    make_models.py FOLDER

Writes net.{tflite,onnx,xml} and int8.{tflite,onnx,xml} through the desk's doors, files that others
might bring (symbolic dimensions, unknown operators, made with the runtimes' own tools), and
reference.npz: inputs and torch's outputs.
"""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np
import onnx
import openvino as ov
import torch
from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
from onnx import TensorProto, helper
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from targets.onnxruntime.export import export as to_onnx
from targets.openvino.export import export as to_openvino
from targets.tflite.export import export as to_tflite

SHAPE = (1, 3, 16, 16)


class Net(torch.nn.Module):
    """Strided and depthwise convolutions, pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = torch.nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.stem(x))))
        return self.head(x.mean((2, 3)))


def main(folder: Path) -> None:
    torch.manual_seed(0)
    net = Net().eval()
    samples = torch.randn(32, *SHAPE[1:])
    one = (samples[:1],)
    graph = torch.export.export(net, one).module()
    folded, unfolded = quantized(graph, samples)
    for name, module, precision in (("net", graph, "fp32"), ("int8", unfolded, "int8")):
        to_tflite(module, one, folder / f"{name}.tflite", precision=precision)
        to_openvino(module, one, folder / f"{name}.xml", precision=precision)
    to_onnx(graph, one, folder / "net.onnx", precision="fp32")
    to_onnx(folded, one, folder / "int8.onnx", precision="int8")
    with torch.no_grad():
        np.savez(folder / "reference.npz", inputs=samples.numpy(), outputs=net(samples).numpy())
    foreign_onnx(folder)
    foreign_openvino(folder, net)
    foreign_tflite(folder)


def quantized(
    graph: torch.nn.Module, samples: torch.Tensor
) -> tuple[torch.nn.Module, torch.nn.Module]:
    quantizer = PT2EQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(copy.deepcopy(graph), quantizer)
    for row in samples.split(1):
        prepared(row)
    return (
        convert_pt2e(copy.deepcopy(prepared), fold_quantize=True),
        convert_pt2e(copy.deepcopy(prepared), fold_quantize=False),
    )


def foreign_onnx(folder: Path) -> None:
    for name, shape, operator, domain in (
        ("batch", ["N", 4], "Relu", ""),
        ("sizes", ["N", "width"], "Relu", ""),
        ("unknown", [1, 4], "Nowhere", "elsewhere"),
    ):
        node = helper.make_node(operator, ["x"], ["y"], domain=domain)
        x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each in "xy")
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("elsewhere", 1)]
        model = helper.make_model(
            helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10
        )
        onnx.save(model, folder / f"{name}.onnx")


def foreign_openvino(folder: Path, net: torch.nn.Module) -> None:
    for name, shape in (("batch", [-1, *SHAPE[1:]]), ("sizes", [-1, 3, -1, -1])):
        model = ov.convert_model(net, example_input=torch.randn(SHAPE), input=[shape])
        ov.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
    text = (folder / "batch.xml").read_text(encoding="utf-8")
    unknown = text.replace('type="ReLU"', 'type="Nowhere"')
    (folder / "unknown.xml").write_text(unknown, encoding="utf-8")
    (folder / "unknown.bin").write_bytes((folder / "batch.bin").read_bytes())


def foreign_tflite(folder: Path) -> None:
    def signature(shape: list[int]) -> Callable[[schema.ModelT], None]:
        def edit(model: schema.ModelT) -> None:
            graph = model.subgraphs[0]
            graph.tensors[graph.inputs[0]].shapeSignature = shape

        return edit

    def unknown(model: schema.ModelT) -> None:
        code = model.operatorCodes[model.subgraphs[0].operators[0].opcodeIndex]
        code.builtinCode = schema.BuiltinOperator.CUSTOM
        code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"Nowhere"

    edited(folder, "batch", signature([-1, *SHAPE[1:]]))
    edited(folder, "sizes", signature([-1, 3, -1, -1]))
    edited(folder, "unknown", unknown)


def edited(folder: Path, name: str, edit: Callable[[schema.ModelT], None]) -> None:
    content = (folder / "net.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    edit(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    (folder / f"{name}.tflite").write_bytes(bytes(builder.Output()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
