"""Sequential, error-compensating ridge least squares into the consumers of channels.

Consumers are solved in the graph's order: inputs come from the pruned net as repaired so far,
targets from the dense net, so that each makes up for the errors of those before it (He et al. 2017,
"Channel Pruning", section 3.2). Judged behind the addition to the residual stream, a branch also
makes up for the error that the stream brought along. Where a rectifier reads the value, errors that
it hides cost nothing (after Zhang et al. 2016, "Accelerating Very Deep Convolutional Networks",
section 3.2): hidden values are their own targets, and the same factorised system is solved again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from pipeline.graph.attributes import attribute
from pipeline.graph.operators.entry import bind
from pipeline.prune.consumers import sites as finding
from pipeline.prune.consumers.ridge import Ridge, extended
from pipeline.prune.consumers.rows import Rows, rows
from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Inputs, Walk

Kept = Callable[[str, torch.Tensor], torch.Tensor]  # of a dense node's value what pruning keeps


@dataclass(frozen=True)
class Strength:
    """How hard to solve.

    Attributes:
        ridge: the penalty on changes of the weights, relative to the mean square of the inputs.
        rounds: solutions of each system where a rectifier hides part of the error.
        places: how many output positions to look at, at most; this bounds time and memory.
    """

    ridge: float = 1e-4
    rounds: int = 6
    places: int = 65_536


@dataclass(frozen=True)
class _Seen:
    """A batch's sample: extended inputs (groups, rows, features + 1), targets (groups, rows,
    channels), and the output positions that they are of."""

    inputs: torch.Tensor
    targets: torch.Tensor
    places: torch.Tensor | None


class Repairer:
    """The dense and the pruned graph side by side; the pruned one's weights change in place."""

    def __init__(
        self,
        dense: fx.GraphModule,
        pruned: fx.GraphModule,
        sites: Sequence[Site],
        batches: Sequence[Inputs],
        kept: Kept,
        strength: Strength,
    ) -> None:
        self._module = pruned
        self._nodes = {node.name: node for node in pruned.graph.nodes}
        self._sites = sites
        self._kept = kept
        self._strength = strength
        self._dense = Walk(dense, batches, {})
        self._pruned = Walk(pruned, batches, _held(self._nodes, sites))

    def run(self) -> None:
        """Solve all sites in their order."""
        for site in self._sites:
            self._dense.through(site.judged)
            self._pruned.through(site.judged)
            self._solve(site)

    def _solve(self, site: Site) -> None:
        weight = attribute(self._module, site.weight)
        assert isinstance(weight, torch.Tensor)
        reads = rows(self._nodes[site.name], weight)
        seen = [self._look(site, reads, batch) for batch in range(len(self._pruned))]
        system = Ridge(reads.groups, weight[0].numel(), self._strength.ridge)
        for one in seen:
            system.add(one.inputs)
        for _ in range(self._strength.rounds if site.hides else 1):
            self._change(site, weight, system.solve(self._products(site, reads, seen)))
            self._pruned.again(site.path)

    def _look(self, site: Site, reads: Rows, batch: int) -> _Seen:
        target = self._kept(site.judged, self._dense.value(site.judged, batch))
        places = self._places(reads, target, batch)
        inputs = reads.inputs(self._pruned.value(site.source, batch), places)
        return _Seen(extended(inputs), reads.outputs(target, places), places)

    def _products(self, site: Site, reads: Rows, seen: Sequence[_Seen]) -> torch.Tensor:
        """X'R over all batches, R being what is missing to the targets now."""
        total = torch.zeros((), dtype=torch.float64)
        for batch, one in enumerate(seen):
            found = reads.outputs(self._pruned.value(site.judged, batch), one.places)
            error = missing(found, one.targets, site.limits)
            total = total + (one.inputs.transpose(1, 2) @ error).double()
        scale = finding.gain(self._module, site)
        return total if scale is None else total * _inverse(scale).reshape(reads.groups, 1, -1)

    def _places(self, reads: Rows, output: torch.Tensor, batch: int) -> torch.Tensor | None:
        """A sample of output positions, the same whenever a batch is looked at."""
        count, limit = reads.positions(output), self._strength.places // len(self._pruned)
        if count <= limit:
            return None
        generator = torch.Generator().manual_seed(batch)
        return torch.randperm(count, generator=generator)[:limit]

    @torch.no_grad()
    def _change(self, site: Site, weight: torch.Tensor, change: torch.Tensor) -> None:
        """Add to the weight (out, in, ...) what was solved for (groups, in + 1, out / groups)."""
        delta = change[:, :-1].transpose(1, 2).reshape(weight.shape)
        weight.add_(delta.to(weight.dtype))
        offset = change[:, -1].reshape(-1)
        if site.bias is not None:
            _add(self._module, site.bias, offset)
        elif site.norm is not None:
            arguments = bind(self._nodes[site.norm])
            mean = arguments["running_mean"]
            assert isinstance(mean, fx.Node)
            _add(self._module, str(mean.target), -offset)


def _add(module: fx.GraphModule, name: str, change: torch.Tensor) -> None:
    stored = attribute(module, name)
    assert isinstance(stored, torch.Tensor)
    stored.add_(change.to(stored.dtype))


def missing(found: torch.Tensor, target: torch.Tensor, limits: tuple[float, float]) -> torch.Tensor:
    """What is missing to the target; nothing where both lie beyond the same limit."""
    low, high = limits
    error = target - found
    hidden = ((target <= low) & (found <= low)) | ((target >= high) & (found >= high))
    error = torch.where(target <= low, low - found, error) if math.isfinite(low) else error
    error = torch.where(target >= high, high - found, error) if math.isfinite(high) else error
    return error.masked_fill(hidden, 0.0)


def _inverse(gain: torch.Tensor) -> torch.Tensor:
    """1/gain; 0 where a channel hardly shows."""
    shows = gain.abs() > 1e-3 * gain.abs().max()
    return torch.where(shows, 1 / torch.where(shows, gain, 1.0), 0.0)


def _held(nodes: dict[str, fx.Node], sites: Sequence[Site]) -> dict[str, str]:
    """Until which node the values live that a path needs when it is run again."""
    rank = {name: position for position, name in enumerate(nodes)}
    held: dict[str, str] = {}
    for site in sites:
        for step in site.path:
            for source in [nodes[step], *nodes[step].all_input_nodes]:
                before = held.get(source.name, source.name)
                held[source.name] = max(before, site.judged, key=lambda name: rank[name])
    return held
