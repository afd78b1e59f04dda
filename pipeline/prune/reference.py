"""The oracle: what a pruned graph must compute, found without any surgery.

The *original* graph is interpreted with its removed indices set to zero at every tensor, and
with statistics taken over the kept ones alone. Of a removed block nothing is taken out: a branch's
output is zero before it is added, a whole block's output is overwritten with what it was given. It
shares labels and the finding of blocks with the surgery, and nothing else.

Traps that it avoids. Zeroes are filled in, never multiplied (0/0 is not 0). They are filled in
place, since exported graphs keep in-place operators whose aliases must see them; but never into
tensors of stride zero, where one element is many. Parameters and inputs are cloned first.
"""

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
import torch
from torch import fx
from torch.fx.node import Argument, map_aggregate, map_arg

from pipeline.graph.census import Mask
from pipeline.graph.copying import copied
from pipeline.graph.groups import Survey, survey
from pipeline.graph.operators.entry import Labels, bind, operator_name
from pipeline.graph.shapes import double_batch
from pipeline.graph.terms import Label
from pipeline.graph.trace import Graph
from pipeline.prune.masking import Skipped, Sparse
from pipeline.prune.plans import PrunePlan, check_fits
from pipeline.prune.skipping import without_blocks

_STATISTICS = ("mean", "amax", "amin", "var", "std", "var_mean", "std_mean", "max", "min", "median")
_MORE = (
    "all",
    "prod",
    "logsumexp",
    "norm",
    "linalg_norm",
    "linalg_vector_norm",
    "pairwise_distance",
)
_SHARES = ("softmax", "log_softmax")
_NORMS = ("layer_norm", "rms_norm", "group_norm")
_OVER_KEPT = frozenset((*_STATISTICS, *_MORE, *_SHARES, *_NORMS))
_FLOATS = (torch.float16, torch.bfloat16, torch.float32)
Inputs = tuple[torch.Tensor, ...]


def verify(graph: Graph, plan: PrunePlan, pruned: Graph, inputs: Inputs) -> float:
    """The worst difference of the pruned graph's outputs from the reference, both in float64,
    relative to the largest value of each output.

    Raises ArtifactError for another model's plan.
    """
    outputs = _outputs(graph.module)
    found = differences(graph, plan, pruned, inputs)
    return max((value for name, value in found.items() if name in outputs), default=0.0)


def differences(
    graph: Graph, plan: PrunePlan, pruned: Graph, inputs: Inputs
) -> Mapping[str, float]:
    """Per node that gives one tensor: the largest difference of the pruned graph from the
    reference in float64, relative to the node's largest reference value."""
    inputs = _fitting(graph, inputs)
    # A batch may be merged into labelled dimensions: labels are of the inputs given.
    found = survey(without_blocks(graph, plan.blocks).taking(inputs))
    check_fits(plan, found)
    wide = tuple(t.double() if t.dtype in _FLOATS else t for t in inputs)
    kept = _Kept(found, plan)
    masked = (Skipped(graph, plan), Sparse(graph, plan))
    reference = _Reference(_in_float64(graph.module), found, kept, *masked)
    follower = _Follower(_in_float64(pruned.module))
    with torch.no_grad():
        reference.run(*wide)
        follower.run(*wide)
    return {
        name: _difference(follower.seen[name], expected)
        for name, expected in reference.seen.items()
        if name in follower.seen
    }


def _fitting(graph: Graph, inputs: Inputs) -> Inputs:
    """Inputs with a batch that the graph takes: at least two, or the one that it fixed."""
    if graph.dynamic_batch:
        return double_batch(inputs, dynamic=True)
    return tuple(
        one[: own.shape[0]] if own.dim() else one
        for one, own in zip(inputs, graph.inputs, strict=True)
    )


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    if found.shape != expected.shape:
        return float("inf")
    if found.numel() == 0:
        return 0.0
    if not (expected.is_floating_point() or expected.is_complex()):
        return 0.0 if torch.equal(found, expected) else float("inf")
    scale = expected.abs().max().item()
    gap = (found - expected).abs().max().item()
    return gap / scale if scale > 0 else float(gap > 0)


def _outputs(module: fx.GraphModule) -> set[str]:
    ends = [node for node in module.graph.nodes if node.op == "output"]
    return {source.name for node in ends for source in node.all_input_nodes}


def _in_float64(module: fx.GraphModule) -> fx.GraphModule:
    """A copy in float64, including the types that its nodes name; assertions about types go."""
    module = copied(module).double()
    for node in list(module.graph.nodes):
        if "_assert_tensor_metadata" in str(node.target):
            module.graph.erase_node(node)
            continue
        node.args = map_aggregate(node.args, _widen)
        node.kwargs = map_aggregate(node.kwargs, _widen)
    module.recompile()
    return module


def _widen(item: Argument) -> Argument:
    return torch.float64 if item in _FLOATS else item


class _Kept:
    """Which indices of a label live under a plan, worked out from the plan alone."""

    def __init__(self, found: Survey, plan: PrunePlan) -> None:
        self._terms = found.labelled.terms
        removed = plan.removed()
        self._dead = {
            atom
            for name, atoms in zip(found.names, found.members, strict=True)
            for channel, atom in enumerate(atoms)
            if channel in removed[name]
        }
        self._masks: dict[int, Mask] = {}

    def mask(self, label: Label) -> Mask | None:
        """Which indices live; None where all do."""
        if label is None:
            return None
        if id(label) not in self._masks:
            lives = [self._dead.isdisjoint(atoms) for atoms in self._terms.atoms(label)]
            self._masks[id(label)] = np.array(lives, np.bool_)
        mask = self._masks[id(label)]
        return None if mask.all() else mask


class _Follower(fx.Interpreter):
    """Runs a graph and keeps a copy of every tensor, since later nodes may write into it."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.seen: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        result: object = super().run_node(n)
        if isinstance(result, torch.Tensor):
            self.seen[n.name] = result.clone()
        return result


class _Reference(fx.Interpreter):
    """Runs the original graph as if the removed indices were not there."""

    def __init__(
        self,
        module: fx.GraphModule,
        found: Survey,
        kept: _Kept,
        skipped: Skipped,
        sparse: Sparse,
    ) -> None:
        super().__init__(module)
        self._labels = skipped.labels(found.labelled.known.labels)
        self._kept = kept
        self._skipped = skipped
        self._sparse = sparse
        self.seen: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        labels = self._labels.get(n.name)
        over_kept = labels is not None and not self._skipped.overwrites(n.name)
        if over_kept and self._takes_statistics(n):
            result: object = self._over_kept(n)
        else:
            result = super().run_node(n)
        if n.op in ("placeholder", "get_attr") and isinstance(result, torch.Tensor):
            result = result.clone()
        if isinstance(result, torch.Tensor):
            result = self._skipped.masked(n.name, result)
        if isinstance(labels, list) and isinstance(result, torch.Tensor):
            result = self._zero(result, labels)
            stays = self._sparse.of(n)
            if stays is not None:
                result.masked_fill_(self._put(~stays, labels), 0)
            self.seen[n.name] = self._pick(result, labels).clone()
            self._skipped.remember(n.name, result)
        elif isinstance(labels, tuple) and isinstance(result, (tuple, list)):
            pairs = zip(result, labels, strict=True)
            result = tuple(self._zero(part, own) for part, own in pairs)
        return result

    # ---------------------------------------------------------------- masks
    def _dead(self, tensor: torch.Tensor, labels: Labels) -> Iterator[tuple[int, Mask]]:
        for dimension, label in enumerate(labels):
            mask = self._kept.mask(label)
            if mask is not None:
                yield dimension, mask

    def _zero(self, tensor: torch.Tensor, labels: Labels) -> torch.Tensor:
        for dimension, mask in self._dead(tensor, labels):
            shape = [-1 if d == dimension else 1 for d in range(tensor.dim())]
            dead = torch.from_numpy(~mask).reshape(shape)
            pairs = zip(tensor.stride(), tensor.shape, strict=True)
            if any(stride == 0 and size > 1 for stride, size in pairs):
                tensor = tensor.masked_fill(dead, 0)
            else:
                tensor.masked_fill_(dead, 0)
        return tensor

    def _pick(self, tensor: torch.Tensor, labels: Labels) -> torch.Tensor:
        for dimension, mask in self._dead(tensor, labels):
            tensor = tensor.index_select(dimension, torch.from_numpy(np.flatnonzero(mask)))
        return tensor

    def _put(self, tensor: torch.Tensor, labels: Labels) -> torch.Tensor:
        """The inverse of picking: zeroes at all removed indices."""
        for dimension, mask in self._dead(tensor, labels):
            shape = list(tensor.shape)
            shape[dimension] = len(mask)
            whole = tensor.new_zeros(shape)
            tensor = whole.index_copy(dimension, torch.from_numpy(np.flatnonzero(mask)), tensor)
        return tensor

    # ---------------------------------------------------------------- statistics
    def _takes_statistics(self, n: fx.Node) -> bool:
        if n.op != "call_function" or not isinstance(n.target, torch._ops.OpOverload):
            return False
        name = operator_name(n)
        return name in _OVER_KEPT or (name == "batch_norm" and bool(bind(n)["training"]))

    def _over_kept(self, n: fx.Node) -> object:
        """Gather what is kept, apply the operator to that, and scatter its result."""
        assert isinstance(n.target, torch._ops.OpOverload)
        arguments = {name: self._fetched(item) for name, item in bind(n).items()}
        arguments |= self._constants(n, arguments)
        positional = [a.name for a in n.target._schema.arguments if not a.kwarg_only]
        named = {k: v for k, v in arguments.items() if k not in positional}
        result: object = n.target(*[arguments[name] for name in positional], **named)
        labels = self._labels[n.name]
        if isinstance(labels, tuple) and isinstance(result, (tuple, list)):
            return tuple(self._put(p, own) for p, own in zip(result, labels, strict=True))
        assert isinstance(result, torch.Tensor)
        assert isinstance(labels, list)
        return self._put(result, labels)

    def _fetched(self, item: object) -> object:
        if not isinstance(item, fx.Node):
            return map_arg(cast(Argument, item), lambda node: cast(Argument, self.env[node]))
        value = self.env[item]
        labels = self._labels.get(item.name)
        if isinstance(value, torch.Tensor) and isinstance(labels, list):
            return self._pick(value, labels)
        return value

    def _constants(self, n: fx.Node, arguments: dict[str, object]) -> dict[str, object]:
        """Arguments that say how large a norm's kept part is."""
        value = arguments.get("input")
        if "normalized_shape" in arguments and isinstance(value, torch.Tensor):
            shape = arguments["normalized_shape"]
            assert isinstance(shape, (list, tuple))
            return {"normalized_shape": list(value.shape[-len(shape) :])}
        if "num_groups" in arguments:
            return {"num_groups": self._kept_groups(n, arguments["num_groups"])}
        return {}

    def _kept_groups(self, n: fx.Node, groups: object) -> int:
        assert isinstance(groups, int)
        source = n.args[0]
        assert isinstance(source, fx.Node)
        labels = self._labels[source.name]
        assert isinstance(labels, list)
        mask = self._kept.mask(labels[1])
        return groups if mask is None else int(mask.reshape(groups, -1).any(axis=1).sum())
