"""Linting calibration data: each warning where it is due, with its numbers, and none elsewhere."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.quantize.decide import decide
from pipeline.quantize.lint import Finding, lint
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings

SETTINGS = Settings(scheme="int8", mode="ptq")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.stem(x))).mean((2, 3)))


@pytest.fixture(scope="module")
def images() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(128, 3, 8, 8)


@pytest.fixture(scope="module")
def net(images: Tensor) -> nn.Module:
    module = Net()
    with torch.no_grad():
        for _ in range(60):  # until the running statistics have settled
            module.train()(images)
    return module.eval()


def found(net: nn.Module, images: Tensor) -> dict[str, Finding]:
    batches = [(part,) for part in images.split(32)]
    graph = trace(net, (images[:1],))
    observed = observe(graph, batches)
    return {one.kind: one for one in lint(graph, observed, decide(observed, SETTINGS), batches)}


def test_good_data_give_no_warning(net: nn.Module, images: Tensor) -> None:
    assert found(net, images) == {}


def test_few_samples(net: nn.Module, images: Tensor) -> None:
    finding = found(net, images[:6])["few-samples"]
    assert finding.evidence == {"samples": 6}


def test_ranges_that_still_grow(net: nn.Module, images: Tensor) -> None:
    growing = images * torch.linspace(0.1, 1.5, len(images))[:, None, None, None]
    finding = found(net, growing)["unsettled-ranges"]
    assert finding.evidence["growth"] > 1.5
    assert "to 128" in finding.message


def test_data_of_another_scale(net: nn.Module, images: Tensor) -> None:
    finding = found(net, images * 255)["preprocessing"]
    assert finding.tensor == "batch_norm"
    # The deviation grows with the scale, the mean by 254 times what it was.
    assert finding.evidence["spread"] == pytest.approx(255, rel=0.05)


def test_data_with_another_mean(net: nn.Module, images: Tensor) -> None:
    finding = found(net, images + 2)["preprocessing"]
    assert finding.evidence["shift"] > 0.5


def test_one_sample_that_reaches_far(net: nn.Module, images: Tensor) -> None:
    odd = images.clone()
    odd[40] *= 8
    finding = found(net, odd)["outlier"]
    assert finding.evidence["sample"] == 40
    assert finding.evidence["largest"] > 2 * finding.evidence["next"]


def test_a_dead_channel(net: nn.Module, images: Tensor) -> None:
    module = Net()
    module.load_state_dict(net.state_dict())
    with torch.no_grad():
        module.norm.bias[2] = -100
    batches = [(images,)]
    graph = trace(module.eval(), (images[:1],))
    observed = observe(graph, batches)
    findings = lint(graph, observed, decide(observed, SETTINGS), batches)
    dead = [one for one in findings if one.kind == "dead-channels"]
    assert [one.tensor for one in dead] == ["relu", "mean"]
    assert dead[0].evidence == {"dead": 1, "channels": 6}


def test_saturation(net: nn.Module, images: Tensor) -> None:
    batches = [(part,) for part in images.split(32)]
    graph = trace(net, (images[:1],))
    observed = observe(graph, batches)
    plan = decide(observed, SETTINGS)
    halved = tuple(
        one.model_copy(update={"scale": one.scale / 2}) if one.tensor == "x" else one
        for one in plan.tensors
    )
    (finding,) = lint(graph, observed, plan.model_copy(update={"tensors": halved}), batches)
    assert (finding.kind, finding.tensor) == ("saturation", "x")
    assert finding.evidence["clipped"] == pytest.approx(0.5, abs=0.02)


def test_a_model_without_batch_norms_is_not_judged_by_one(images: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert "preprocessing" not in found(net, images * 255)
