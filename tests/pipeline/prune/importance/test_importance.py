"""Criteria: each ranks what it should, on one scale for all groups, and refuses bad data."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.prune.importance import CRITERIA, CalibrationData, Evidence, observe
from targets.errors import TaskError, UsageError

LIVELY, IDLE = 3, 1  # channels of the first convolution


class Net(nn.Module):
    """Two groups; one channel of the first does much in every sense, another nothing at all."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(2, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 10, 1)
        self.head = nn.Linear(10, 4)
        with torch.no_grad():
            self.first.weight[LIVELY] *= 5
            self.norm.running_var[LIVELY] = 1.0
            self.norm.weight[LIVELY] = 4
            self.second.weight[:, LIVELY] *= 5
            self.first.weight[IDLE] = 0
            self.norm.weight[IDLE] = 0
            self.second.weight[:, IDLE] = 0

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return trace(Net(), (torch.randn(1, 2, 6, 6),))


@pytest.fixture(scope="module")
def data() -> CalibrationData:
    generator = torch.Generator().manual_seed(0)
    batches = tuple(
        (
            (torch.randn(16, 2, 6, 6, generator=generator),),
            torch.randint(4, (16,), generator=generator),
        )
        for _ in range(3)
    )
    return CalibrationData(batches, nn.functional.cross_entropy)


def seen(graph: Graph, criterion: str, data: CalibrationData | None) -> Evidence:
    return observe(graph, survey(graph), criterion, data)


@pytest.mark.parametrize("criterion", [name for name in CRITERIA if name != "random"])
def test_what_does_nothing_is_worth_least_and_what_does_most_the_most(
    criterion: str, graph: Graph, data: CalibrationData
) -> None:
    first = seen(graph, criterion, data).groups[0]
    assert first.name == "first.weight[0]"
    assert int(np.argmin(first.scores)) == IDLE
    assert int(np.argmax(first.scores)) == LIVELY


@pytest.mark.parametrize("criterion", CRITERIA)
def test_groups_are_on_one_scale(criterion: str, graph: Graph, data: CalibrationData) -> None:
    groups = seen(graph, criterion, data).groups
    scores = np.concatenate([group.scores for group in groups])
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    if criterion in ("taylor", "obs"):
        assert scores.mean() == pytest.approx(1, rel=1e-6)
    elif criterion != "random":
        for group in groups:
            assert np.mean(group.scores) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_observing_changes_nothing_and_finds_the_same_again(
    criterion: str, graph: Graph, data: CalibrationData
) -> None:
    before = {name: tensor.clone() for name, tensor in graph.module.state_dict().items()}
    assert seen(graph, criterion, data) == seen(graph, criterion, data)
    after = graph.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in graph.module.parameters())


def test_reconstruction_knows_what_others_can_tell(data: CalibrationData) -> None:
    """Of two equal channels either can go for nothing, however large they are."""
    net = Net().eval()
    with torch.no_grad():
        for tensor in (net.first.weight, net.norm.weight):
            tensor[4] = tensor[LIVELY]
    graph = trace(net, (torch.randn(1, 2, 6, 6),))
    large = seen(graph, "magnitude", None).groups[0].scores
    scores = seen(graph, "obs", data).groups[0].scores
    pair = (LIVELY, 4)
    assert min(large[one] for one in pair) > np.median(large)
    assert min(scores[one] for one in pair) < 0.05 * max(scores)


def nan_loss(outputs: object, target: object) -> Tensor:
    assert isinstance(outputs, Tensor)
    return outputs.sum() * float("nan")


def nan_gradient(outputs: object, target: object) -> Tensor:
    assert isinstance(outputs, Tensor)
    return (outputs * 0).sum().sqrt()  # 0, and its slope there is infinite: 0 × ∞ is no number


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (None, "needs a loss"),
        (nan_loss, "batch 1: the loss is nan"),
        (nan_gradient, "batch 1: the gradient of .* NaN"),
        (lambda outputs, target: outputs, "scalar"),
    ],
)
def test_losses_that_tell_nothing_are_refused(
    loss: Callable[[object, object], Tensor] | None,
    message: str,
    graph: Graph,
    data: CalibrationData,
) -> None:
    with pytest.raises(TaskError, match=message):
        seen(graph, "taylor", CalibrationData(data.batches, loss))


def test_missing_data_and_unknown_criteria_are_named(graph: Graph) -> None:
    with pytest.raises(TaskError, match="'obs' needs calibration data"):
        seen(graph, "obs", None)
    with pytest.raises(UsageError, match="did you mean 'magnitude'"):
        seen(graph, "magnitud", None)


def test_data_of_the_wrong_shape_are_refused(graph: Graph) -> None:
    wrong = CalibrationData((((torch.zeros(2, 3, 6, 6),), None),))
    with pytest.raises(TaskError, match=r"takes \(N, 2, 6, 6\); found \(2, 3, 6, 6\)"):
        seen(graph, "activation", wrong)
