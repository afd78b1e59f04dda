"""Branches: two consumers in a row, of which the first is solved for the error of the second.

Alone, the first is solved to give what the dense net gives in the channels that are left. What the
removed channels did can also be taken over by those that stay, if the first's weights are judged by
the branch's end. Its value there is no longer linear in them, so this is a Gauss-Newton step with
a Kronecker-factored Hessian (Martens and Grosse 2015, "K-FAC", section 4): the first's own X'X, and
what the second makes of each pair of its channels. The step's length is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx

from pipeline.graph.operators.entry import bind, operator_name
from pipeline.prune.consumers import sites as finding
from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Walk
from pipeline.prune.repair.equation import Equation

_BETWEEN = ("relu", "relu_", "hardtanh", "hardtanh_", "gelu", "silu", "hardswish")
"""In place only where the written value has the same slope as the one it was."""
_DAMPING = 0.03  # of the mean curvature


@dataclass(frozen=True)
class Branch:
    """The first consumer's name, the second, and all nodes from the first to the judged one."""

    inner: str
    outer: Site
    path: tuple[str, ...]


def find_branches(module: fx.GraphModule, sites: Sequence[Site]) -> dict[str, Branch]:
    """By the second consumer's name, those that read nothing but a first one's output."""
    nodes = {node.name: node for node in module.graph.nodes}
    found: dict[str, Branch] = {}
    ends = {site.judged: site for site in sites}
    for site in sites:
        node, steps = nodes[site.source], []
        while node.name not in ends and _alone(node):
            steps.append(node.name)
            node = node.all_input_nodes[0]
        inner = ends.get(node.name)
        whole = inner is not None and _whole(nodes[inner.name]) and _whole(nodes[site.name])
        if inner is not None and whole and len(node.users) == 1 and steps:
            path = (*inner.path, *reversed(steps), *site.path)
            found[site.name] = Branch(inner.name, site, path)
    return found


def _whole(node: fx.Node) -> bool:
    """Whether all input channels of a consumer meet in each of its outputs."""
    return bind(node).get("groups", 1) == 1


def _alone(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload) or len(node.users) != 1:
        return False
    return operator_name(node) in _BETWEEN and len(node.all_input_nodes) == 1


class Turn:
    """Steps of a branch's first consumer towards less error at its end."""

    def __init__(
        self, module: fx.GraphModule, walk: Walk, branch: Branch, inner: Equation, outer: Equation
    ) -> None:
        """The branch's end has just been solved for."""
        self._module = module
        self._walk = walk
        self._branch = branch
        self._inner = inner
        self._outer = outer

    def take(self) -> bool:
        """One step; tells whether it helped. A step that does not is taken back."""
        before = self._errors()
        step = self._step()
        self._move(step)
        after = self._errors()
        # The end's value is nearly linear in the step: its best length is that of a least square.
        across = sum(float(((a - b) * a).sum()) for a, b in zip(before, after, strict=True))
        along = sum(float(((a - b) ** 2).sum()) for a, b in zip(before, after, strict=True))
        length = across / along if along > 0 else 0.0
        self._move(step * (length - 1.0))
        if _total(self._errors()) < _total(before):
            return True
        self._move(-step * length)
        return False

    def _move(self, step: torch.Tensor) -> None:
        self._inner.move(step)
        self._walk.again(self._branch.path)

    def _errors(self) -> list[torch.Tensor]:
        return [self._outer.missing(batch) for batch in range(len(self._walk))]

    def _step(self) -> torch.Tensor:
        wanted = [self._wanted(batch) for batch in range(len(self._walk))]
        direction = self._inner.direction(wanted)
        step: torch.Tensor = torch.linalg.solve(self._curvature(), direction[0].T).T[None]
        return step

    def _wanted(self, batch: int) -> torch.Tensor:
        """Minus the gradient of the end's error in the first's judged value."""
        inner = self._inner.site
        with torch.enable_grad():
            start = self._walk.value(inner.judged, batch).detach().clone().requires_grad_()
            path = self._branch.path[len(inner.path) :]
            given = start.clone()  # a rectifier may write to it
            end = self._walk.rerun(path, inner.judged, given, batch)
            error = self._outer.lacking(end, batch)
            (gradient,) = torch.autograd.grad(error.square().sum() / 2, start)
        return self._inner.sampled(-gradient, batch)

    def _curvature(self) -> torch.Tensor:
        """What the second consumer makes of each pair of the first's channels."""
        gain = finding.gain(self._module, self._outer.site)
        weight = self._outer.weight.double()
        weight = weight.reshape(len(weight), weight.shape[1], -1)
        if gain is not None:
            weight = weight * gain[:, None, None]
        pairs = torch.einsum("oik,ojk->ij", weight, weight) * self._together()
        mean = pairs.diagonal().mean().clamp_min(1e-30)
        return pairs + _DAMPING * mean * torch.eye(len(pairs), dtype=torch.float64)

    def _together(self) -> torch.Tensor:
        """How often two of the first's channels are let through together."""
        total, count = torch.zeros((), dtype=torch.float64), 0
        for batch in range(len(self._walk)):
            value = self._inner.sampled(self._walk.value(self._outer.site.source, batch), batch)[0]
            passing = (value != 0).float()
            total, count = total + (passing.T @ passing).double(), count + len(passing)
        return total / max(1, count)


def _total(errors: Sequence[torch.Tensor]) -> float:
    return sum(float(error.square().sum()) for error in errors)
