"""Tracing: a dynamic batch where the model has one, and errors in the words of the user's code."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchao.quantization.pt2e import move_exported_model_to_eval, move_exported_model_to_train

from pipeline.graph import trace
from targets.errors import TaskError


def module_of(function) -> nn.Module:
    """A module whose forward is this function."""

    class Given(nn.Module):
        def forward(self, *inputs: Tensor) -> Tensor:
            return function(*inputs)

    return Given()


IMAGE = torch.randn(1, 3, 8, 8)


def test_a_batch_of_one_is_traced_dynamic() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    graph = trace(net, (IMAGE,))
    assert graph.dynamic_batch
    assert graph.static_reason is None
    assert graph.inputs[0].shape[0] == 1
    inputs = torch.randn(5, 3, 8, 8)
    assert torch.equal(graph.module(inputs), net.eval()(inputs))  # the same operators
    assert graph.module(IMAGE).shape == (1, 2)
    assert [name for name, _ in graph.module.named_parameters()] == [
        name for name, _ in net.named_parameters()
    ]


def test_no_guards_are_left_for_exporters_to_trip_on() -> None:
    graph = trace(nn.Conv2d(3, 4, 3), (IMAGE,))
    assert {node.op for node in graph.module.graph.nodes} <= {
        "placeholder", "get_attr", "call_function", "output",
    }  # fmt: skip


def test_a_fixed_batch_is_static_for_a_stated_reason() -> None:
    graph = trace(module_of(lambda x: x.view(1, 192) * 2), (IMAGE,))
    assert not graph.dynamic_batch
    assert graph.static_reason
    assert graph.module(IMAGE).shape == (1, 192)


def test_a_branch_on_the_batch_makes_it_static() -> None:
    graph = trace(module_of(lambda x: x * 2 if x.shape[0] == 1 else x), (IMAGE,))
    assert not graph.dynamic_batch
    assert "something else" in str(graph.static_reason)
    assert torch.equal(graph.module(IMAGE), IMAGE * 2)


def test_two_inputs_share_the_batch() -> None:
    graph = trace(module_of(lambda x, y: x.mean((2, 3)) + y), (IMAGE, torch.randn(1, 3)))
    assert graph.dynamic_batch
    assert graph.module(torch.randn(4, 3, 8, 8), torch.randn(4, 3)).shape == (4, 3)


def branch(x: Tensor) -> Tensor:
    if x.sum() > 0:  # the branch
        return x
    return -x


def loop(x: Tensor) -> Tensor:
    for _ in range(int(x.max())):  # the loop
        x = x + 1
    return x


class Pick(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        chosen = x.argmax().item()  # the pick
        return x[:, :, 0, chosen]


class Select(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0]  # the selection


@pytest.mark.parametrize(
    ("module", "operator", "line"),
    [
        (module_of(branch), "Tensor.__bool__", "# the branch"),
        (module_of(loop), "Tensor.__int__", "# the loop"),
        (Pick(), "aten.item", "# the pick"),
        (Select(), "aten.index", "# the selection"),
    ],
)
def test_dependence_on_data_names_operator_and_line(
    module: nn.Module, operator: str, line: str
) -> None:
    with pytest.raises(TaskError) as caught:
        trace(module, (IMAGE,))
    message = str(caught.value)
    assert operator in message
    assert line in message
    assert "test_trace.py:" in message
    assert "\n" not in message


def test_an_error_in_the_forward_names_its_line() -> None:
    def forward(x: Tensor) -> Tensor:
        return F.linear(x, torch.zeros(2, 5))  # eight is not five

    with pytest.raises(TaskError, match=r"can't be exported at test_trace.py:\d+ .*eight is not"):
        trace(module_of(forward), (IMAGE,))


def test_autocast_regions_are_inlined() -> None:
    inner = nn.Conv2d(3, 4, 3)

    class Region(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", enabled=False):
                y = self.inner(x).relu()
            return y.mean((2, 3)) + 1

    graph = trace(Region(), (IMAGE,))
    assert not [n for n in graph.module.graph.nodes if "wrap_with" in str(n.target)]
    expected = (inner(IMAGE).relu().mean((2, 3))) + 1
    assert torch.equal(graph.module(IMAGE), expected)


def test_a_traced_graph_moves_to_training_and_back() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    module = trace(net, (IMAGE,)).module
    before = module(IMAGE)
    move_exported_model_to_train(module)
    assert (module(torch.randn(8, 3, 8, 8)) == 0).float().mean() > 0.2
    move_exported_model_to_eval(module)
    assert not torch.equal(module(IMAGE), before)  # the statistics have moved


def test_a_copy_has_parameters_of_its_own() -> None:
    graph = trace(nn.Conv2d(3, 4, 3), (IMAGE,))
    copied = graph.copy()
    with torch.no_grad():
        copied.module.weight.zero_()
    assert graph.module.weight.abs().sum() > 0
