"""Where consumers are judged: behind their batch norm, and behind the residual addition."""

import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.prune.consumers import sites


class Residual(nn.Module):
    def __init__(self, *, projection: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 4, 1)
        self.shortcut = nn.Conv2d(4, 4, 1) if projection else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.norm(self.first(x)))) + self.shortcut(x))


def found(module: nn.Module, *inputs: Tensor) -> list[sites.Site]:
    return sites.find(trace(module, inputs).module)[0]


def test_a_branch_is_judged_behind_the_addition_where_a_rectifier_reads_it() -> None:
    first, second = found(Residual(projection=False), torch.randn(1, 4, 5, 5))
    assert first.path == ("conv2d", "batch_norm")
    assert first.norm == "batch_norm"
    assert second.path == ("conv2d_1", "add")
    assert first.limits == second.limits == (0.0, float("inf"))


def test_of_two_branches_that_meet_the_last_makes_up_for_both() -> None:
    _, second, shortcut = found(Residual(projection=True), torch.randn(1, 4, 5, 5))
    assert second.path == ("conv2d_1",)
    assert not second.hides
    assert shortcut.path == ("conv2d_2", "add")


def test_shared_computed_and_recurrent_weights_are_declined_by_name() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = nn.Linear(4, 4)
            self.up = nn.ConvTranspose1d(4, 4, 2)
            self.computed = nn.Parameter(torch.randn(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            x = self.shared(torch.relu(self.shared(x)))
            x = nn.functional.linear(x, self.computed * 2)
            return self.up(x[..., None])

    usable, declined = sites.find(trace(Odd(), (torch.randn(2, 4),)).module)
    assert not usable
    reasons = [one.reason for one in declined]
    assert reasons[:3] == ["its weight is shared", "its weight is shared", "its weight is computed"]
    assert "transposed" in reasons[3]
