"""How long work says how far it is."""

from collections.abc import Callable

Tell = Callable[[str, float], None]
"""Takes what is being done, and the fraction of it that is done, from 0 to 1."""


def silently(what: str, fraction: float) -> None:
    """Says nothing."""
