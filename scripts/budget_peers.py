"""Other ways to half the latency: uniform width, a plan by MACs of our own, and Torch-Pruning.

Each has one knob, the share that goes, and is taken where its artifact measures within the
latency and has the most MACs. Torch-Pruning is a peer, not a dependency:
`pip install torch-pruning==1.6.1`. Its widths do not always fall as the share grows: a layer that
rounding would empty stays whole. Where no rounded widths get there, it may take any ("unrounded").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from budget_desk import Bench, losses_of
from torch import nn

from pipeline import evidence, pruning
from pipeline.exporting import export_graph
from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.prune import apply, plan
from pipeline.prune.repair import repair
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, Artifact
from targets.errors import UsageError

Way = Callable[[Bench, float], Graph]
SHARES = tuple(fortieth / 40 for fortieth in range(6, 35))
"""The knob's values: what share of the channels, or of the MACs, goes."""
MULTIPLE = 8
MACS = "plan by MACs"
UNIFORM = "uniform width"
PEER = "Torch-Pruning"


def uniform(bench: Bench, gone: float) -> Graph:
    """The same share of every group by magnitude, and batch norms measured anew."""
    dense = bench.desk.dense
    return _normalised(bench, apply(dense, plan(dense, ratio=gone, multiple=MULTIPLE)))


def by_macs(multiple: int) -> Way:
    """Our own importance, sensitivities and repair; it is MACs that are planned."""

    def way(bench: Bench, gone: float) -> Graph:
        dense, data = bench.desk.dense, pruning.data_of(bench.desk)
        table = losses_of(bench).sensitivity
        chosen = plan(
            dense, macs=1 - gone, importance="obs", strategy="sensitivity", multiple=multiple,
            sensitivity=table, data=data,
        )  # fmt: skip
        pruned = apply(dense, chosen)
        return pruning.mend(bench.desk, dense, chosen, pruned, "least-squares").graph

    return way


@dataclass(frozen=True)
class TorchPruning:
    """Torch-Pruning with its defaults, but for these; batch norms are measured anew."""

    importance: str
    round_to: int | None

    @property
    def name(self) -> str:
        """Its settings."""
        rounded = f"round_to {self.round_to}" if self.round_to else "unrounded"
        return f"{PEER} {self.importance}, {rounded}"

    def __call__(self, bench: Bench, gone: float) -> Graph:
        """The pruned network, traced."""
        net = _torch_pruned(bench, self, gone)
        return _normalised(bench, trace(net.eval(), bench.desk.dense.inputs))


def _torch_pruned(bench: Bench, how: TorchPruning, gone: float) -> nn.Module:
    import torch_pruning as tp  # absent where nobody installed it

    net = bench.desk.task.build()
    example = bench.desk.task.example_inputs()[0]
    judge = {
        "Taylor": tp.importance.GroupTaylorImportance,
        "magnitude": tp.importance.GroupMagnitudeImportance,
    }[how.importance]()
    head = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    pruner = tp.pruner.BasePruner(
        net, example, importance=judge, pruning_ratio=gone, round_to=how.round_to,
        ignored_layers=[head],
    )  # fmt: skip
    if how.importance == "Taylor":
        _backward(bench, net)
    pruner.step()
    return net


def _backward(bench: Bench, net: nn.Module) -> None:
    """Gradients of the loss on the calibration images, as Taylor importance asks for them."""
    loss = bench.desk.task.loss
    assert loss is not None, "the recipe's task has a loss"
    for inputs, target in bench.desk.task.batches("calibration"):
        loss(net(*inputs), target).backward()


def _normalised(bench: Bench, pruned: Graph) -> Graph:
    dense = bench.desk.dense
    batches = [inputs for inputs, _ in bench.desk.task.batches("calibration")]
    return repair(dense, pruned, plan(dense, ratio=0.0), batches, method="batchnorm")


PEERS = {
    how.name: how
    for round_to in (8, 16, None)
    for importance in ("magnitude", "Taylor")
    for how in [TorchPruning(importance, round_to)]
}
WAYS: Mapping[str, Way] = {
    UNIFORM: uniform,
    **{f"{MACS}, multiples of {multiple}": by_macs(multiple) for multiple in (4, MULTIPLE)},
    **PEERS,
}


def widths_by(way: str) -> str:
    """What alone decides a way's widths, beside the share: its name without the importance."""
    return way.replace(" Taylor", " magnitude")


def stands_in_for(way: str) -> list[str]:
    """The ways that this one is for where none of them gets there; none for most."""
    how = PEERS.get(way)
    if how is None or how.round_to is not None:
        return []
    return [name for name, one in PEERS.items() if one.round_to]


def knob(bench: Bench, way: str) -> Sequence[float]:
    """Shares that give different widths, those with the most MACs first."""
    if way not in PEERS:
        return SHARES
    import torch_pruning as tp

    counts: dict[float, float] = {}
    for gone in SHARES[::2]:
        net = _torch_pruned(bench, PEERS[way], gone)
        counts.setdefault(tp.utils.count_ops_and_params(net, bench.desk.dense.inputs[0])[0], gone)
    return [counts[macs] for macs in sorted(counts, reverse=True)]


def exported(bench: Bench, graph: Graph, folder: Path) -> Artifact:
    """The graph's artifact in float32."""
    suffix = SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[bench.runtime]]
    path = folder / bench.runtime / f"model{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    activations = bench.desk.device.activations_for(bench.runtime)
    inputs = bench.desk.task.example_inputs()
    export_graph(graph, None, inputs, path, runtime=bench.runtime, activations=activations)
    return evidence.describe(bench.desk, bench.runtime, path).artifact


def measured(bench: Bench, way: str, gone: float, out: Path) -> dict[str, float] | None:
    """p50 and p95 as shares of dense, where a way can do so much; None where it can't."""
    try:
        graph = WAYS[way](bench, gone)
    except UsageError:  # no plan reaches it
        return None
    folder = out / "peers" / way.replace(" ", "-").replace(",", "") / f"{gone:g}"
    found = bench.ratio(exported(bench, graph, folder), bench.dense_artifact)
    return {**found, "macs": macs(graph) / macs(bench.desk.dense)}


def least_within(
    share: float, found: Callable[[float], Mapping[str, float] | None], knob: Sequence[float]
) -> tuple[float, Mapping[str, float]] | None:
    """The first value of the knob whose p50 is within the share of dense, by bisection."""
    best, low, high = None, 0, len(knob) - 1
    while low <= high:
        middle = (low + high) // 2
        seen = found(knob[middle])
        if seen is None:
            high = middle - 1  # more can't be done either
        elif seen["p50"] <= share:
            best, high = (knob[middle], seen), middle - 1
        else:
            low = middle + 1
    return best


def macs(graph: Graph) -> int:
    """Multiply-accumulates per image."""
    with torch.no_grad():
        census = survey(graph).census
    return census.count_macs(census.everything())
