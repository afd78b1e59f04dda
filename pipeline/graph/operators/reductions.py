"""Operators that reduce dimensions, or depend on the order or the number of their indices."""

from pipeline.graph.operators.entry import Call, Labels, Operator, Result
from pipeline.graph.operators.pointwise import broadcast


def _reduced(call: Call, rank: int) -> list[int]:
    given = call.arguments.get("dim")
    if given is None or given == []:
        return list(range(rank))
    return [number % rank for number in call.integers("dim")]


def _reduction(call: Call) -> Result:
    """The reduced dimensions go, and what is left there is summed up over the kept indices."""
    value = call.tensor("self", "input")
    reduced = _reduced(call, len(value.shape))
    keep = bool(call.arguments.get("keepdim"))
    kept = [
        None if position in reduced else label
        for position, label in enumerate(value.labels)
        if keep or position not in reduced
    ]
    return call.alike(kept)


def _extremum(call: Call) -> Result:
    """max and min have three meanings: of two tensors, of a whole tensor, along a dimension, where
    they give positions too, which nobody may want."""
    if "other" in call.arguments:
        return broadcast(call)
    if "dim" in call.arguments and _wants_positions(call):
        return _positional(call)
    return _reduction(call)


def _wants_positions(call: Call) -> bool:
    """Whether anything reads the second of the tensors given."""
    return any(item.users for item in call.node.users if item.args[1] != 0)


def _similarity(call: Call) -> Result:
    """Two tensors that broadcast, compared along a dimension, which goes."""
    rank = max(len(call.tensor(name).shape) for name in ("x1", "x2"))
    along = call.dimension(rank) if "dim" in call.arguments else rank - 1
    labels: Labels = []
    for back in range(rank, 0, -1):
        own = [value for value in call.every_tensor() if len(value.shape) >= back]
        wide = [value.labels[-back] for value in own if value.shape[-back] != 1]
        label = wide[0] if wide else None
        for other in wide[1:]:
            label = call.unify(label, other)
        labels.append(label)
    if call.arguments.get("keepdim"):
        return [*labels[:along], None, *labels[along + 1 :]]
    return labels[:along] + labels[along + 1 :]


def _positional(call: Call) -> Result:
    """Gives positions along the dimension, which would move if indices went."""
    value = call.tensor("self", "input")
    for position in _reduced(call, len(value.shape)):
        call.pin(value.labels[position], "gives positions in it")
    return _reduction(call)


def _along(call: Call) -> Result:
    """Works along a whole dimension, which therefore stays whole."""
    value = call.tensor("self", "input")
    call.pin(value.labels[call.dimension(len(value.shape))], "works along the whole of it")
    return call.alike(value.labels)


def _largest(call: Call) -> Result:
    """A few indices of a whole dimension, which are others for every example."""
    value = call.tensor("self")
    along = call.dimension(len(value.shape))
    call.pin(value.labels[along], "looks for the largest in it")
    labels = list(value.labels)
    labels[along] = None
    return call.alike(labels)


REDUCTION, ALONG = Operator(_reduction), Operator(_along)
EXTREMUM, POSITIONAL = Operator(_extremum), Operator(_positional)

RULES = {
    **dict.fromkeys(
        ("mean", "sum", "amax", "amin", "var", "std", "var_mean", "std_mean", "prod", "norm"),
        REDUCTION,
    ),
    **dict.fromkeys(("linalg_vector_norm", "logsumexp"), REDUCTION),
    **dict.fromkeys(("any", "all", "nansum", "count_nonzero"), REDUCTION),
    **dict.fromkeys(("linalg_norm", "frobenius_norm"), REDUCTION),
    **dict.fromkeys(("max", "min", "median"), EXTREMUM),
    **dict.fromkeys(("cosine_similarity", "pairwise_distance"), Operator(_similarity)),
    **dict.fromkeys(("argmax", "argmin"), POSITIONAL),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax", "cumsum"), ALONG),
    **dict.fromkeys(("cumprod", "logcumsumexp", "sort", "argsort"), ALONG),
    "topk": Operator(_largest),
}
