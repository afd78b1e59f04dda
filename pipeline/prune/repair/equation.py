"""One consumer's normal equations on calibration data, and what solving them changes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx

from pipeline.graph.attributes import attribute
from pipeline.graph.operators.entry import bind
from pipeline.prune.consumers import sites as finding
from pipeline.prune.consumers.ridge import Ridge, extended
from pipeline.prune.consumers.rows import rows
from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Walk


@dataclass(frozen=True)
class Strength:
    """How hard to solve.

    Attributes:
        ridge: the penalty on changes of the weights, relative to the mean square of the inputs.
        rounds: solutions of each system where a rectifier hides part of the error.
        turns: how often a branch's inner weights are solved for its end's error.
        places: how many output positions to look at, at most; this bounds time and memory.
    """

    ridge: float = 1e-4
    rounds: int = 3
    turns: int = 4
    places: int = 65_536


class Equation:
    """X'X of a consumer's inputs from the pruned net, and targets from the dense one."""

    def __init__(
        self,
        module: fx.GraphModule,
        site: Site,
        walk: Walk,
        targets: Sequence[torch.Tensor],
        strength: Strength,
    ) -> None:
        """The walk stands at the judged node; `targets` are per batch."""
        self.site = site
        self._module = module
        self._walk = walk
        self._strength = strength
        weight = attribute(module, site.weight)
        assert isinstance(weight, torch.Tensor)
        self.weight = weight
        node = next(node for node in module.graph.nodes if node.name == site.name)
        self.reads = rows(node, weight)
        gain = finding.gain(module, site)
        self._inverse = torch.ones(len(weight)) if gain is None else _inverse(gain)
        self._places = [self._sample(target, batch) for batch, target in enumerate(targets)]
        self.targets = [
            self.reads.outputs(*pair) for pair in zip(targets, self._places, strict=True)
        ]
        self.renew()

    def renew(self) -> None:
        """Read the inputs again: what gives them has changed."""
        self._inputs = [
            extended(self.reads.inputs(self._walk.value(self.site.source, batch), places))
            for batch, places in enumerate(self._places)
        ]
        self._system = Ridge(
            self.reads.groups,
            self.weight[0].numel(),
            self._strength.ridge,
            intercept=self.site.bias is not None or self.site.norm is not None,
        )
        for inputs in self._inputs:
            self._system.add(inputs)

    def solve(self, rounds: int) -> None:
        """Change the weights so that the judged value comes nearest to its target."""
        for _ in range(rounds if self.site.hides else 1):
            self.move(self.direction([self.missing(batch) for batch in range(len(self._inputs))]))
            self._walk.again(self.site.path)

    def missing(self, batch: int) -> torch.Tensor:
        """What the judged value lacks now: (groups, rows, channels)."""
        return self.lacking(self._walk.value(self.site.judged, batch), batch)

    def lacking(self, value: torch.Tensor, batch: int) -> torch.Tensor:
        """What this value lacks to the target, at the positions looked at."""
        return missing(self.sampled(value, batch), self.targets[batch], self.site.limits)

    def sampled(self, value: torch.Tensor, batch: int) -> torch.Tensor:
        """The rows (groups, rows, channels) of a value of the output's shape."""
        return self.reads.outputs(value, self._places[batch])

    def direction(self, wanted: Sequence[torch.Tensor]) -> torch.Tensor:
        """The change (groups, features + 1, channels) that moves judged values nearest to this."""
        total = torch.zeros((), dtype=torch.float64)
        for inputs, rows_of in zip(self._inputs, wanted, strict=True):
            total = total + (inputs.transpose(1, 2) @ rows_of).double()
        return self._system.solve(total)

    @torch.no_grad()
    def move(self, change: torch.Tensor) -> None:
        """Add to the weight (out, in, ...) and its offset a change in units of the judged value."""
        change = change * self._inverse.reshape(self.reads.groups, 1, -1)
        delta = change[:, :-1].transpose(1, 2).reshape(self.weight.shape)
        self.weight.add_(delta.to(self.weight.dtype))
        offset = change[:, -1].reshape(-1)
        if self.site.bias is not None:
            _add(self._module, self.site.bias, offset)
        elif self.site.norm is not None:
            node = next(node for node in self._module.graph.nodes if node.name == self.site.norm)
            mean = bind(node)["running_mean"]
            assert isinstance(mean, fx.Node)
            _add(self._module, str(mean.target), -offset)

    def _sample(self, output: torch.Tensor, batch: int) -> torch.Tensor | None:
        """Output positions to look at; None for all."""
        count, limit = self.reads.positions(output), self._strength.places // len(self._walk)
        if count <= limit:
            return None
        generator = torch.Generator().manual_seed(batch)
        return torch.randperm(count, generator=generator)[:limit]


def _add(module: fx.GraphModule, name: str, change: torch.Tensor) -> None:
    stored = attribute(module, name)
    assert isinstance(stored, torch.Tensor)
    stored.add_(change.to(stored.dtype))


def missing(found: torch.Tensor, target: torch.Tensor, limits: tuple[float, float]) -> torch.Tensor:
    """What is missing to the target; nothing where both lie beyond the same limit."""
    low, high = limits
    error = target.clamp(low, high) - found
    if math.isfinite(low):
        error.masked_fill_((target <= low) & (found <= low), 0.0)
    if math.isfinite(high):
        error.masked_fill_((target >= high) & (found >= high), 0.0)
    return error


def _inverse(gain: torch.Tensor) -> torch.Tensor:
    """1/gain; 0 where a channel hardly shows."""
    shows = gain.abs() > 1e-3 * gain.abs().max()
    return torch.where(shows, 1 / torch.where(shows, gain, 1.0), 0.0)
