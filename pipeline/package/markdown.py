"""Text and tables as a model card holds them."""

import re
from collections.abc import Sequence


def plain(text: str) -> str:
    """Text in one line, with all that Markdown or HTML would act on escaped."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))


def table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table; "" where it has no rows. The cells are Markdown."""
    if not rows:
        return ""
    ruled = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)
