"""Learning from the dense model's activations: which, and how far the student's are from them.

A pruned graph keeps the names of its nodes, and its channels are some of the dense ones. So an
activation has a counterpart, and a student's is compared with the kept channels of the teacher's:
the hint of FitNets (Romero et al. 2015, equation 3), which needs no regressor to match the widths
here, on the maps that channel pruning itself reconstructs (He, Zhang, Sun 2017, section 3).
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx

from pipeline.graph.operators.entry import operator_name
from pipeline.nearest import advice
from targets.errors import TaskError

AUTO = "auto"
_NORMS = ("batch_norm", "layer_norm", "group_norm", "rms_norm", "instance_norm")
_NAMES_TOLD = 12

Kept = Mapping[str, tuple[npt.NDArray[np.int64] | None, ...]]
Seen = Mapping[str, Tensor]


class Features:
    """The activations that both graphs have and that are compared."""

    def __init__(
        self, student: fx.GraphModule, teacher: fx.GraphModule, wanted: Sequence[str], kept: Kept
    ) -> None:
        """Finds them.

        Args:
            student: the graph that is trained.
            teacher: the dense graph.
            wanted: patterns of names; "auto" is the last activation of each resolution.
            kept: per node and dimension which of the teacher's indices the student has; all where
                it says nothing.

        Raises:
            TaskError: a pattern that matches nothing both graphs have.
        """
        known = _comparable(student, teacher)
        found = [name for pattern in wanted for name in _matching(pattern, known)]
        self.names = tuple(dict.fromkeys(found))
        self._kept = {name: kept.get(name, ()) for name in self.names}

    def distance(self, ours: Seen, theirs: Seen) -> Tensor:
        """The mean over features of the squared distance, relative to the teacher's square."""
        terms = [self._one(ours[name], theirs[name], name) for name in self.names]
        return torch.stack(terms).mean()

    def _one(self, ours: Tensor, theirs: Tensor, name: str) -> Tensor:
        for dimension, indices in enumerate(self._kept[name]):
            if indices is not None and len(indices) < theirs.shape[dimension]:
                theirs = theirs.index_select(dimension, torch.from_numpy(indices))
        if ours.shape != theirs.shape:
            shapes = f"{tuple(ours.shape)} and {tuple(theirs.shape)}"
            raise TaskError(f"distill: features: {name} can't be compared: {shapes}")
        theirs = theirs.float()
        gap = (ours.float() - theirs).square().sum()
        return gap / theirs.square().sum().clamp_min(torch.finfo(torch.float32).tiny)


class Watching(fx.Interpreter):
    """Runs a graph as it is, and keeps what some of its nodes give.

    A copy is kept, since a later node may write into the tensor.
    """

    def __init__(self, module: fx.GraphModule, names: Sequence[str]) -> None:
        """`names` are of nodes that give one tensor each."""
        super().__init__(module)
        self._names = frozenset(names)
        self._pieces: dict[str, list[Tensor]] = {}

    def run_node(self, n: fx.Node) -> object:
        """What the node gives."""
        result: object = super().run_node(n)
        if n.name in self._names and isinstance(result, Tensor):
            self._pieces.setdefault(n.name, []).append(result.clone())
        return result

    def seen(self) -> Seen:
        """The tensors of the runs so far, joined along the batch, which are then forgotten."""
        joined = {name: torch.cat(pieces) for name, pieces in self._pieces.items()}
        self._pieces.clear()
        return joined


def _comparable(student: fx.GraphModule, teacher: fx.GraphModule) -> dict[str, fx.Node]:
    """The teacher's activations, in its order, that the student has too and that are no outputs."""
    ours = _activations(student)
    return {name: node for name, node in _activations(teacher).items() if name in ours}


def _activations(module: fx.GraphModule) -> dict[str, fx.Node]:
    """The float tensors that have the inputs' batch in dimension 0."""
    given = [node for node in module.graph.nodes if node.op == "placeholder"]
    batches = {str(size) for node in given for size in node.meta["val"].shape[:1]}
    return {
        node.name: node
        for node in module.graph.nodes
        if node.op == "call_function" and _is_activation(node, batches)
    }


def _is_activation(node: fx.Node, batches: set[str]) -> bool:
    value = node.meta.get("val")
    if not isinstance(value, Tensor) or value.dim() < 2 or not value.is_floating_point():
        return False
    return str(value.shape[0]) in batches and all(user.op != "output" for user in node.users)


def _matching(pattern: str, known: Mapping[str, fx.Node]) -> list[str]:
    """The names that a pattern means; a module stands for its last activation."""
    if pattern == AUTO:
        return _last_of_each_resolution(known)
    ends = {path: name for name, node in known.items() for path in _modules(node)}
    found = [name for name in known if fnmatchcase(name, pattern)]
    found += [name for path, name in ends.items() if fnmatchcase(path, pattern)]
    if not found:
        names = [*ends, *known]
        raise TaskError(
            f"distill: features: '{pattern}' matches no activation that the dense model and the "
            f"pruned one both have; {advice(pattern, names[:_NAMES_TOLD])}"
        )
    return found


def _modules(node: fx.Node) -> Iterator[str]:
    """The dotted names of the modules that the node was traced in."""
    stack = node.meta.get("nn_module_stack") or {}
    yield from (path for path, _ in stack.values() if path)


def _last_of_each_resolution(known: Mapping[str, fx.Node]) -> list[str]:
    """Where a net's stages end (Heo et al. 2019, section 3): of the results of pointwise operators
    and norms with the same spatial shape, the last one."""
    last: dict[tuple[str, ...], str] = {}
    for name, node in known.items():
        if _activates(node):
            shape = node.meta["val"].shape
            places = shape[2:] if len(shape) == 4 else shape[1:-1]
            last[tuple(map(str, places))] = name
    return list(last.values())


def _activates(node: fx.Node) -> bool:
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return False
    return torch.Tag.pointwise in target.tags or operator_name(node) in _NORMS
