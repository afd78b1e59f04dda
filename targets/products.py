"""How much of a model's work is products with stored matrices: what small weights speed up.

Reading weights costs time where each is used once, as in a linear layer on few rows; a
convolution uses each weight at every position, so that its weights cost next to nothing to read.
"""

from math import prod

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from targets.errors import ConversionError

ATEN = torch.ops.aten
PRODUCTS = (ATEN.linear.default, ATEN.addmm.default, ATEN.mm.default)
OTHERS = (ATEN.matmul.default, ATEN.bmm.default, ATEN.baddbmm.default)
LEAST_SHARE = 0.5
"""Of multiply-accumulates, below which a scheme of small weights is declined."""


def check_products(program: ExportedProgram, runtime: str, scheme: str) -> None:
    """Raise ConversionError where weights alone in fewer bits would make nothing faster."""
    share = products_share(program)
    if share < LEAST_SHARE:
        raise ConversionError(
            f"{runtime}: scheme: {scheme} speeds up products with stored matrices only, and these "
            f"are {share:.0%} of this model's multiply-accumulates (at least {LEAST_SHARE:.0%} "
            "asked for); take scheme: int8, which speeds up convolutions too"
        )


def products_share(program: ExportedProgram) -> float:
    """The share of multiply-accumulates in products with stored matrices; 0 where there are none.

    Counted on operators with shapes; what is no convolution and no product counts nothing.
    """
    counted = [(_macs(node), _is_stored(node)) for node in program.graph.nodes]
    total = sum(macs for macs, _ in counted)
    return sum(macs for macs, stored in counted if stored) / total if total else 0.0


def _is_stored(node: Node) -> bool:
    return node.target in PRODUCTS


def _macs(node: Node) -> int:
    """An output element of a convolution sums over its channel's weights, of a product over the
    first operand's last axis."""
    output = node.meta.get("val")
    if node.op != "call_function" or not isinstance(output, torch.Tensor):
        return 0
    if "conv" in str(node.target):
        weight = _shape(node.args[1])
        return output.numel() * prod(weight[1:])
    if node.target in (*PRODUCTS, *OTHERS):
        first = 1 if node.target in (ATEN.addmm.default, ATEN.baddbmm.default) else 0
        return output.numel() * _shape(node.args[first])[-1]
    return 0


def _shape(argument: object) -> tuple[int, ...]:
    value = argument.meta["val"] if isinstance(argument, Node) else None
    return tuple(value.shape) if isinstance(value, torch.Tensor) else (0,)
