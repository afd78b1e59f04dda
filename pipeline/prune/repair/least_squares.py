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
from pipeline.prune.repair import sites as finding
from pipeline.prune.repair.ridge import Ridge, extended
from pipeline.prune.repair.rows import Rows, rows
from pipeline.prune.repair.sites import Site
from pipeline.prune.repair.walk import Inputs, Walk

Kept = Callable[[str, torch.Tensor], torch.Tensor]  # of a dense node's value what pruning keeps


@dataclass(frozen=True)
class Strength:
    """How hard to solve.

    Attributes:
        ridge: the penalty on changes of the weights, relative to the mean square of the inputs.
        rounds: solutions of each system where a rectifier hides part of the error.
        places: about how many output positions to look at, 0 for all.
    """

    ridge: float = 1e-4
    rounds: int = 5
    places: int = 0


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
        system = Ridge(reads.groups, weight[0].numel(), self._strength.ridge)
        targets = [
            self._kept(site.judged, self._dense.value(site.judged, batch))
            for batch in range(len(self._dense))
        ]
        rounds = self._strength.rounds if math.isfinite(site.limits[0]) else 1
        for number in range(rounds):
            products = self._products(site, reads, targets, system if number == 0 else None)
            self._change(site, weight, system.solve(products))
            self._pruned.again(site.path)

    def _products(
        self, site: Site, reads: Rows, targets: Sequence[torch.Tensor], system: Ridge | None
    ) -> torch.Tensor:
        """X'R over all batches; the inputs go into the system, too, while it is new."""
        total = torch.zeros(())
        scale = finding.gain(self._module, site)
        for batch, target in enumerate(targets):
            found = self._pruned.value(site.judged, batch)
            places = self._places(reads, found, batch)
            inputs = reads.inputs(self._pruned.value(site.source, batch), places)
            error = reads.outputs(_error(found, target, site.limits), places)
            if system is not None:
                system.add(inputs)
            total = total + (extended(inputs).transpose(1, 2) @ error).double()
        return total if scale is None else total * _inverse(scale).reshape(reads.groups, 1, -1)

    def _places(self, reads: Rows, output: torch.Tensor, batch: int) -> torch.Tensor | None:
        count, limit = reads.positions(output), self._strength.places // len(self._pruned)
        if not limit or count <= limit:
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


def _error(found: torch.Tensor, target: torch.Tensor, limits: tuple[float, float]) -> torch.Tensor:
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
