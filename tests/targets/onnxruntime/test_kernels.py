"""Which operators have no kernel here: all of them, by the version that the file asks for."""

import onnx
import pytest
from onnx import helper

from targets.onnxruntime.kernels import lacking


def model(*kinds: tuple[str, str], opset: int = 18, own: bool = False) -> onnx.ModelProto:
    nodes = [helper.make_node(kind, ["x"], [f"y{n}"], domain=domain)
             for n, (domain, kind) in enumerate(kinds)]  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("elsewhere", 1)]
    body = [helper.make_node("Relu", ["x"], ["y"])]
    functions = [
        helper.make_function("elsewhere", kind, ["x"], ["y"], body, opsets)
        for domain, kind in kinds
        if own and domain == "elsewhere"
    ]
    graph = helper.make_graph(nodes, "g", [], [])
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


def test_all_are_named_and_sorted() -> None:
    found = lacking(model(("elsewhere", "Swirl"), ("", "Relu"), ("", "Bogus"), ("elsewhere", "A")))
    assert found == ("ai.onnx.Bogus-18", "elsewhere.A", "elsewhere.Swirl")


@pytest.mark.parametrize("kind", ["HardSwish", "Celu", "Softplus"])
def test_what_the_standard_composes_of_others_needs_none(kind: str) -> None:
    assert lacking(model(("", kind))) == ()


def test_what_the_file_defines_needs_none() -> None:
    assert lacking(model(("elsewhere", "Swirl"), own=True)) == ()
    assert lacking(model(("ai.onnx", "Relu"))) == ()
