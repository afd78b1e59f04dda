"""Weight sparsity: single elements go, and the shapes stay.

What it buys is told by `scripts/bench-sparsity`: a file that compresses better. No runtime that
this project exports to computes faster for it unless it says so there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from pipeline.graph.attributes import attribute, storage_key
from pipeline.graph.operators import rule_for
from pipeline.graph.operators.entry import bind, operator_name
from pipeline.graph.trace import Graph
from pipeline.prune.masks import Mask, Pattern, WeightPlan, planned, whole
from pipeline.prune.patterns import matching
from pipeline.prune.planning import plan
from pipeline.prune.plans import PrunePlan
from targets.errors import UsageError

Scope = Literal["layerwise", "global"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Weight:
    """A weight that may become sparse: its values, and the dimension that sums over inputs."""

    name: str
    values: Floats
    input_dimension: int


def plan_weights(
    graph: Graph,
    *,
    sparsity: float | None = None,
    pattern: str | None = None,
    scope: str = "layerwise",
    keep: Sequence[str] = (),
) -> PrunePlan:
    """Plan to zero elements of convolutions' and linear layers' weights by magnitude.

    Args:
        graph: the graph, as channels and blocks have left it.
        sparsity: the share of elements to zero, in (0, 1): no more than the rest of all of them
            stays (||W||_0 <= k).
        pattern: instead "2:4" or "4:8": of 4 (8) neighbours along the input dimension 2 (4) stay
            (Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks").
        scope: "layerwise" takes the same share of every weight; "global" compares elements over
            all weights by the share of the remaining squared magnitude that they stand for (LAMP:
            Lee et al. 2021, section 3), which never empties a weight.
        keep: patterns of weights or modules that stay whole.

    Raises UsageError for settings out of range, and patterns that match nothing.
    """
    if (sparsity is None) == (pattern is None):
        raise UsageError("weights: give either sparsity or pattern")
    if sparsity is not None and not 0 < sparsity < 1:
        raise UsageError(f"sparsity: must be between 0 and 1, both excluded; found {sparsity}")
    if scope not in get_args(Scope):
        raise UsageError(f"scope: must be layerwise or global, found {scope!r}")
    weights = list(weights_of(graph))
    kept = _kept(weights, keep)
    asked = [weight for number, weight in enumerate(weights) if number not in kept]
    if sparsity is not None:
        masks = magnitude(asked, sparsity, scope)
        plans = {name: planned(name, mask, None) for name, mask in masks.items()}
    else:
        plans = {weight.name: _patterned(weight, _pattern(pattern)) for weight in asked}
    for number in kept:
        name = weights[number].name
        plans[name] = whole(name, weights[number].values.shape, "is kept, as asked")
    ordered = tuple(plans[weight.name] for weight in weights)
    return plan(graph, macs=1.0).model_copy(update={"weights": ordered})


def magnitude(weights: Sequence[Weight], sparsity: float, scope: str) -> dict[str, Mask]:
    """Which elements stay; of equals the earlier one. At least one of each weight does."""
    if scope == "layerwise":
        return {one.name: _largest(np.abs(one.values), 1 - sparsity) for one in weights}
    scores = [_lamp(one.values).reshape(-1) for one in weights]
    mask = _largest(np.concatenate([np.zeros(0), *scores]), 1 - sparsity, len(weights))
    ends = np.cumsum([len(score) for score in scores])[:-1]
    parts = np.split(mask, ends) if weights else []
    pairs = zip(weights, parts, strict=True)
    return {one.name: part.reshape(one.values.shape) for one, part in pairs}


def n_of_m(weight: Weight, n: int, m: int) -> Mask:
    """The n of largest magnitude among each m neighbours along the input dimension."""
    moved = np.moveaxis(np.abs(weight.values), weight.input_dimension, -1)
    rows = moved.reshape(-1, m)
    order = np.argsort(-rows, axis=1, kind="stable")
    mask = np.zeros(rows.shape, np.bool_)
    np.put_along_axis(mask, order[:, :n], True, axis=1)
    return np.moveaxis(mask.reshape(moved.shape), -1, weight.input_dimension)


def weights_of(graph: Graph) -> Iterator[Weight]:
    """The weights of convolutions and linear layers, tied ones once, in the order of their use."""
    seen: set[tuple[object, ...]] = set()
    for node in graph.module.graph.nodes:
        source = _weight_of(node)
        if source is None:
            continue
        tensor = attribute(graph.module, str(source.target))
        if not isinstance(tensor, torch.nn.Parameter) or storage_key(tensor) in seen:
            continue
        seen.add(storage_key(tensor))
        transposed = operator_name(node).startswith("conv_transpose")
        values = tensor.detach().to("cpu", torch.float64).numpy()
        yield Weight(str(source.target), values, 0 if transposed else 1)


def _weight_of(node: fx.Node) -> fx.Node | None:
    """The stored weight that a layer multiplies with."""
    rule = rule_for(node.target) if isinstance(node.target, torch._ops.OpOverload) else None
    if rule is None or rule.macs is None:
        return None
    found = bind(node).get("weight")
    return found if isinstance(found, fx.Node) and found.op == "get_attr" else None


def _kept(weights: Sequence[Weight], keep: Sequence[str]) -> set[int]:
    names = [[weight.name] for weight in weights]
    return {number for pattern in keep for number in matching("keep", pattern, names)}


def _pattern(asked: str | None) -> Pattern:
    for known in get_args(Pattern):
        if asked == known:
            return "2:4" if known == "2:4" else "4:8"
    raise UsageError(f"pattern: must be one of {', '.join(get_args(Pattern))}; found {asked!r}")


def _patterned(weight: Weight, pattern: Pattern) -> WeightPlan:
    n, m = map(int, pattern.split(":"))
    inputs = weight.values.shape[weight.input_dimension]
    if inputs % m:
        reason = f"its {inputs} inputs are no multiple of {m}"
        return whole(weight.name, weight.values.shape, reason)
    return planned(weight.name, n_of_m(weight, n, m), pattern)


def _largest(scores: Floats, share: float, least: int = 1) -> Mask:
    """The largest scores, at most this share of them; but `least` in any case."""
    count = max(least, int(scores.size * share + 1e-9))
    order = np.argsort(-scores.reshape(-1), kind="stable")
    mask = np.zeros(scores.size, np.bool_)
    mask[order[:count]] = True
    return mask.reshape(scores.shape)


def _lamp(values: Floats) -> Floats:
    """Each squared element over the sum of those that are no smaller; the largest has 1."""
    squares = np.square(values).reshape(-1)
    order = np.argsort(-squares, kind="stable")
    score = np.empty(squares.shape)
    score[order] = squares[order] / np.maximum(np.cumsum(squares[order]), np.finfo(float).tiny)
    score[order[0]] = 1.0  # also in a weight of zeroes alone
    return score.reshape(values.shape)


def density(plans: Sequence[WeightPlan]) -> float:
    """The share of the elements of all these weights that stays."""
    return sum(one.kept for one in plans) / max(1, sum(one.size for one in plans))
