"""Operators that make tensors out of nothing."""

from torch import fx

from pipeline.graph.operators.entry import Call, Operator, Result, Rewrite


def _filled(call: Call) -> Result:
    """Constant content follows whatever it meets; a computed size is a batch."""
    sizes = zip(call.listed("size"), call.shape, strict=True)
    return [None if isinstance(given, fx.Node) else call.terms.fresh(size) for given, size in sizes]


def _rewrite_size(rewrite: Rewrite) -> None:
    pairs = zip(rewrite.listed("size"), rewrite.kept_shape(), strict=True)
    rewrite.set("size", [g if isinstance(g, fx.Node) else count for g, count in pairs])


def _counted(call: Call) -> Result:
    """Content that depends on the index: all indices stay."""
    return [None] * len(call.shape)


FILLED, COUNTED = Operator(_filled, _rewrite_size), Operator(_counted)

RULES = {
    **dict.fromkeys(("zeros", "ones", "full", "empty"), FILLED),
    **dict.fromkeys(("new_zeros", "new_ones", "new_full", "new_empty"), FILLED),
    **dict.fromkeys(("arange", "scalar_tensor", "eye", "linspace"), COUNTED),
}
