"""What to do about an operator that does not run in 8 bits with the rest."""

from collections.abc import Iterable

_ATTENTION = (
    "keep the attention block in float as a whole: a few islands of int8 cost more than they save"
)
CURES = {
    "hardswish": "use ReLU, or SiLU, whose parts (a sigmoid and a product) run in 8 bits",
    "averagepool": "pool the whole map with a mean, and smaller windows with a strided convolution "
    "or a maximum",
    "gelu": "use ReLU or SiLU instead of GELU, or keep the block around it in float",
    "softmax": "let the model end in logits and take the softmax in the app; inside attention keep "
    "the whole block in float",
    "matmul": _ATTENTION,
    "attention": _ATTENTION,
    "layernormalization": "replace the layer norm by a batch norm, which disappears into a "
    "convolution, or keep its block in float",
    "prelu": "use ReLU or a leaky ReLU instead of PReLU",
}
"""By the kind's own name; _ALIKE has those of the runtimes."""
GENERAL = (
    "replace it, or keep it and its neighbours in float as one region (quantize: {exclude: [...]}, "
    "or mode: ladder, which measures what that saves)"
)
_ADDED = ("_2d", "_", "qlinear", "fused")
_ALIKE = {
    "averagepool": ("globalaveragepool", "avgpool"),
    "attention": ("multiheadattention", "scaleddotproductattention"),
    "gelu": ("erf", "biasgelu", "fastgelu"),
    "hardswish": ("hardsigmoid", "hswish"),
    "layernormalization": ("skiplayernormalization", "mvn", "rsqrt"),
    "matmul": ("batchmatmul",),
}


def cure(kinds: Iterable[str]) -> str:
    """What to do about operators of these kinds, in the words of whichever runtime."""
    return "; ".join(dict.fromkeys(CURES.get(_plain(kind), GENERAL) for kind in kinds))


def _plain(kind: str) -> str:
    """The kind in small letters, without what formats add to it."""
    plain = kind.lower()
    for part in _ADDED:
        plain = plain.replace(part, "")
    return next((name for name, alike in _ALIKE.items() if plain in alike), plain)
