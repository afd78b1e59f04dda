"""What a prune step is called: in a sentence, and as part of a candidate's name."""

from pipeline.recipe import Prune


def told(prune: Prune) -> str:
    """What a step removes or keeps, for a line on the console."""
    if prune.pattern is not None:
        kept, of = prune.pattern.split(":")
        return f"{kept} of {of} neighbouring weights stay"
    if prune.macs is not None:
        return f"to {prune.macs:.3g} of the MACs"
    if prune.params is not None:
        return f"to {prune.params:.3g} of the parameters"
    if prune.size_bytes is not None:
        return f"to {prune.size_bytes:,} bytes of parameters"
    return f"{prune.ratio or 0.0:.1%} of {_whole(prune)}"


def _whole(prune: Prune) -> str:
    """What a ratio is of."""
    if prune.granularity == "weight":
        return "the weights"
    if prune.granularity == "block":
        return "the blocks that can go"
    return "each group's channels" if prune.strategy == "uniform" else "all channels"


def short(prune: Prune) -> str:
    """The same in a word that may be part of a file's name."""
    if prune.pattern is not None:
        return prune.pattern.replace(":", "of")
    for mode in ("macs", "params", "size_bytes"):
        if (value := getattr(prune, mode)) is not None:
            return f"{mode.replace('_', '-')}-{value}"
    return f"{prune.ratio or 0.0:g}"
