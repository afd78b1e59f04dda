"""A candidate: a graph, the plans that shaped it, and its lineage. Stages return a new one.

Saved as plans (JSON) and weights (safetensors), and rebuilt by replaying the plans on a fresh trace
of the task: a saved program would have to be unpickled, which is never done.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.graph import Graph
from pipeline.prune import PrunePlan, apply
from pipeline.workspace import atomic_write
from targets.errors import ArtifactError


@dataclass(frozen=True)
class Candidate:
    """A model on its way to a device.

    Attributes:
        graph: the traced module, with its example inputs.
        plans: the pruning plans that led from the dense graph to this one, in order.
        lineage: what was done, in words, oldest first.
        folded: whether batch norms were folded into the operators before them.
    """

    graph: Graph
    plans: tuple[PrunePlan, ...] = ()
    lineage: tuple[str, ...] = field(default=("dense",))
    folded: bool = False

    def pruned(self, plan: PrunePlan, graph: Graph) -> "Candidate":
        """This candidate after a plan was applied to its graph."""
        dense = self.plans[0] if self.plans else plan
        line = f"prune: {plan.macs_kept / max(1, dense.macs_dense):.0%} of MACs kept"
        if blocks := [one.name for one in plan.blocks if one.removed]:
            line += f", without {', '.join(blocks)}"
        if size := sum(one.size for one in plan.weights):
            line += f", {1 - sum(one.kept for one in plan.weights) / size:.0%} of weights zero"
        return Candidate(graph, (*self.plans, plan), (*self.lineage, line))

    def with_graph(self, graph: Graph, line: str) -> "Candidate":
        """This candidate with other weights, and what changed them."""
        return replace(self, graph=graph, lineage=(*self.lineage, line))

    def with_folded(self, graph: Graph, line: str) -> "Candidate":
        """As `with_graph`, where batch norms were folded too."""
        return replace(self.with_graph(graph, line), folded=True)

    def save(self, folder: Path) -> None:
        """Writes plan-N.json, weights.safetensors and candidate.json into the folder."""
        for index, plan in enumerate(self.plans):
            plan.save(folder / f"plan-{index}.json")
        save_file(_weights(self.graph.module), folder / "weights.safetensors")
        facts = {
            "plans": len(self.plans),
            "lineage": list(self.lineage),
            "folded": self.folded,
        }
        atomic_write(folder / "candidate.json", json.dumps(facts, indent=2) + "\n")


def load(folder: Path, dense: Graph) -> Candidate:
    """Rebuilds a saved candidate by replaying its plans on the dense graph.

    Args:
        folder: what `Candidate.save` wrote.
        dense: a fresh trace of the task's model.

    Raises:
        ArtifactError: the folder's files can't be read, or belong to another model.
    """
    try:
        facts = json.loads((folder / "candidate.json").read_text())
        plans = tuple(PrunePlan.load(folder / f"plan-{i}.json") for i in range(facts["plans"]))
        weights = load_file(folder / "weights.safetensors")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ArtifactError(f"{folder}: not a saved candidate: {error}") from error
    graph = dense
    for plan in plans:
        graph = apply(graph, plan)
    graph = graph if plans else dense.copy()
    folded = bool(facts.get("folded"))
    if folded:
        from pipeline.quantize.fold import fold  # takes seconds to import, and few need it

        graph = fold(graph)
    try:
        _restore(graph.module, weights)
    except RuntimeError as error:
        raise ArtifactError(f"{folder}/weights.safetensors: of another model: {error}") from error
    return Candidate(graph, plans, tuple(facts["lineage"]), folded)


def _weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state, each tied tensor under its first name only."""
    named: dict[str, torch.Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, tensor in module.state_dict().items():
        key = (tensor.data_ptr(), tensor.shape)
        if tensor.numel() and key in seen:
            continue
        seen.add(key)
        named[name] = tensor.detach().contiguous()
    return named


def _restore(module: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    expected = _weights(module)
    missing = sorted(expected.keys() ^ weights.keys())
    if missing:
        raise RuntimeError(f"'{missing[0]}' is only in one of the two")
    module.load_state_dict(weights, strict=False)
