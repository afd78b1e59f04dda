"""What to say about a name that nobody knows: the nearest one, and all that are allowed."""

from collections.abc import Iterable
from difflib import get_close_matches


def advice(found: str, allowed: Iterable[str]) -> str:
    """The message's tail: "did you mean 'host'? allowed: host, pi4"."""
    names = sorted(allowed)
    near = get_close_matches(found.lower(), {name.lower(): name for name in names}, n=1, cutoff=0.5)
    known = {name.lower(): name for name in names}
    question = f"did you mean '{known[near[0]]}'? " if near else ""
    return f"{question}allowed: {', '.join(names) or 'none'}"
