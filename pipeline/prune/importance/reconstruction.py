"""Output-reconstruction error: what a channel's removal costs its consumers at best.

Optimal Brain Surgeon for whole channels: the Hessian of a consumer's squared output error is X'X
of its inputs, so the least error after the remaining weights have made up for a removed block is
tr(W_S' (H^-1_SS)^-1 W_S), and both H^-1 and W are updated as blocks go, one after the other
(Frantar and Alistarh 2022, "Optimal Brain Compression", section 4; Kurtic et al. 2023, "ZipLM",
section 3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from pipeline.graph.attributes import attribute
from pipeline.graph.groups import Survey
from pipeline.graph.trace import Graph
from pipeline.prune.consumers import sites as finding
from pipeline.prune.consumers.ridge import Ridge, extended
from pipeline.prune.consumers.rows import Rows, rows
from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Inputs, Walk
from pipeline.prune.importance.scores import Scores, nothing, shared

_RIDGE = 1e-4  # of the Hessian's mean diagonal, as for repair
_AT_ONCE = 64  # of a group's channels at least so many steps are taken, the rest go several at once
_PLACES = 65_536  # rows are plenty for Hessians of a few thousand features


@dataclass
class _Consumer:
    """One product of inputs and weights: `inverse` (F, F) of its Hessian, weights (F, O) in units
    of the value that the net reads, and the features that go with each atom."""

    inverse: torch.Tensor
    weight: torch.Tensor
    features: dict[int, torch.Tensor]
    lost: float = field(default=0.0)

    def costs(self, atoms: Sequence[int]) -> torch.Tensor:
        """The error that the removal of each atom would add."""
        found = torch.zeros(len(atoms), dtype=torch.float64)
        sizes = {len(self.features[atom]) for atom in atoms if atom in self.features}
        for size in sizes:
            of_size = [i for i, a in enumerate(atoms) if len(self.features.get(a, ())) == size]
            index = torch.stack([self.features[atoms[i]] for i in of_size])
            blocks = self.inverse[index[:, :, None], index[:, None, :]]
            weights = self.weight[index]
            found[of_size] = (weights * torch.linalg.solve(blocks, weights)).sum(dim=(1, 2))
        return found

    def remove(self, atom: int) -> None:
        """Let an atom's features go, and the others make up for them."""
        if atom not in self.features:
            return
        gone = self.features.pop(atom)
        block, across = self.inverse[gone][:, gone], self.inverse[:, gone]
        weight = self.weight[gone]
        solved = torch.linalg.solve(block, weight)
        self.lost += float((weight * solved).sum())
        self.weight = self.weight - across @ solved
        self.inverse = self.inverse - across @ torch.linalg.solve(block, across.T)
        self.weight[gone] = 0.0
        # What is gone must not come back by rounding: its rows stay those of a unit Hessian.
        self.inverse[gone, :] = 0.0
        self.inverse[:, gone] = 0.0
        self.inverse[gone, gone] = 1.0


def reconstruction(graph: Graph, survey: Survey, batches: Sequence[Inputs]) -> Scores:
    """Per channel, the error of all consumers of its group once it has gone, greedily, each error
    relative to the variance of the value that the consumer's output is read in."""
    scores = nothing(survey)
    consumers = list(_consumers(graph, survey, batches))
    for atoms in survey.members:
        own = [one for one in consumers if not one.features.keys().isdisjoint(atoms)]
        if own:
            scores |= _order(atoms, [_copy(one) for one in own])
    return shared(scores)


def _copy(one: _Consumer) -> _Consumer:
    return _Consumer(one.inverse.clone(), one.weight.clone(), dict(one.features))


def _order(atoms: Sequence[int], consumers: Sequence[_Consumer]) -> Scores:
    """Remove the cheapest again and again; an atom's score is the error when it has gone."""
    left, found = list(atoms), dict.fromkeys(atoms, 0.0)
    total = 0.0
    while left:
        costs = torch.stack([one.costs(left) for one in consumers]).sum(dim=0)
        count = max(1, len(left) // _AT_ONCE)
        cheapest = torch.argsort(costs, stable=True)[:count].tolist()
        for index in cheapest:
            total += max(float(costs[index]), 0.0)
            found[left[index]] = total
            for one in consumers:
                one.remove(left[index])
        left = [atom for index, atom in enumerate(left) if index not in cheapest]
    return found


def _consumers(graph: Graph, survey: Survey, batches: Sequence[Inputs]) -> Iterator[_Consumer]:
    """Every consumer of channels, with its Hessian."""
    sites, _ = finding.find(graph.module)
    walk = Walk(graph.module, batches, {site.source: site.judged for site in sites})
    nodes = {node.name: node for node in graph.module.graph.nodes}
    for site in sites:
        walk.through(site.judged)
        weight = attribute(graph.module, site.weight)
        assert isinstance(weight, torch.Tensor)
        reads = rows(nodes[site.name], weight)
        atoms = _atoms(survey, site, reads)
        if reads.groups < len(atoms) and any(atoms):  # a depthwise one has whole groups alone
            yield from _products(graph, site, reads, weight.detach(), atoms, walk)


def _atoms(survey: Survey, site: Site, reads: Rows) -> list[tuple[int, ...]]:
    """The atoms that each of a consumer's input channels needs."""
    labels = survey.labelled.known.labels[site.source]
    assert isinstance(labels, list)
    shape = survey.labelled.known.shapes.tensor[site.source]
    channel = -1 if reads.channels_last else -1 - len(reads.kernel)
    label = labels[channel]
    return [()] * shape[channel] if label is None else survey.labelled.terms.atoms(label)


def _products(
    graph: Graph,
    site: Site,
    reads: Rows,
    weight: torch.Tensor,
    atoms: list[tuple[int, ...]],
    walk: Walk,
) -> Iterator[_Consumer]:
    system = Ridge(reads.groups, weight[0].numel(), _RIDGE)
    variance = 0.0
    for batch in range(len(walk)):
        judged = walk.value(site.judged, batch)
        places = _places(reads.positions(judged), _PLACES // len(walk))
        system.add(extended(reads.inputs(walk.value(site.source, batch), places)))
        read = reads.outputs(judged, places)
        variance += float(((read - read.mean(dim=1, keepdim=True)) ** 2).sum())
    scale = finding.gain(graph.module, site)
    outputs = weight.double().reshape(len(weight), -1)
    outputs = outputs if scale is None else outputs * scale[:, None]
    width = len(atoms) // reads.groups
    for group, (gram, part) in enumerate(
        zip(system.gram, outputs.chunk(reads.groups), strict=True)
    ):
        of_group = atoms[group * width : (group + 1) * width]
        features = _features(of_group, (len(gram) - 1) // width)
        if reads.groups > 1:
            features = _without_whole(features, len(gram) - 1)
        yield _Consumer(_inverse(gram), part.T / max(variance, 1e-30) ** 0.5, features)


def _places(count: int, limit: int) -> torch.Tensor | None:
    if count <= limit:
        return None
    return torch.randperm(count, generator=torch.Generator().manual_seed(count))[:limit]


def _features(atoms: list[tuple[int, ...]], per_channel: int) -> dict[int, torch.Tensor]:
    """Which features go with each atom."""
    channels: dict[int, list[int]] = {}
    for channel, needed in enumerate(atoms):
        for atom in needed:
            channels.setdefault(atom, []).append(channel)
    inside = torch.arange(per_channel)
    return {
        atom: (torch.tensor(found)[:, None] * per_channel + inside).flatten()
        for atom, found in channels.items()
    }


def _without_whole(features: dict[int, torch.Tensor], size: int) -> dict[int, torch.Tensor]:
    """Without the atoms that take a whole group of a convolution: its output goes with its input,
    so that only those who read that output have an error."""
    return {atom: index for atom, index in features.items() if len(index) < size}


def _inverse(gram: torch.Tensor) -> torch.Tensor:
    """The inverse Hessian of what an intercept leaves: the Gram matrix around the mean."""
    sums, count = gram[:-1, -1], gram[-1, -1].clamp_min(1.0)
    centred = gram[:-1, :-1] - torch.outer(sums, sums) / count
    ridge = _RIDGE * centred.diagonal().mean().clamp_min(1e-30)
    penalised = centred + ridge * torch.eye(len(centred), dtype=torch.float64)
    return torch.cholesky_inverse(torch.linalg.cholesky(penalised))
