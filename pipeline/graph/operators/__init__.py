"""The rules: one entry per operator, in one file per kind; this file joins them.

To add an operator, write its label rule (and, if it has constants that name sizes, its rewrite
rule) in the file of its kind and put one entry into that file's RULES.
"""

import torch

from pipeline.graph.operators import (
    attention,
    contraction,
    convolution,
    creation,
    lookup,
    movement,
    norms,
    parts,
    pointwise,
    recurrent,
    reductions,
    spatial,
    spectral,
)
from pipeline.graph.operators.entry import Operator, Rules

_KINDS = (
    attention,
    contraction,
    convolution,
    creation,
    lookup,
    movement,
    norms,
    parts,
    pointwise,
    recurrent,
    reductions,
    spatial,
    spectral,
)
RULES: Rules = {name: rule for kind in _KINDS for name, rule in kind.RULES.items()}


def rule_for(target: torch._ops.OpOverload) -> Operator | None:
    """The entry of an operator; None where there is no rule."""
    known = RULES.get(target._schema.name.split("::")[1])
    if known is None and pointwise.is_pointwise(target):
        return pointwise.POINTWISE
    return known
