"""Patterns for groups: which of them a name with wild cards means."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from targets.errors import UsageError

_NEAREST = 3  # names told where a pattern matches nothing: a large net has hundreds


def matching(key: str, pattern: str, groups: Sequence[Sequence[str]]) -> set[int]:
    """The numbers of the groups that a pattern means.

    Args:
        key: the setting that holds the pattern, for the message.
        pattern: the name of a group (`stem.weight[0]`), of a parameter (`stem.weight`), or of a
            module (`stem`), which stands for everything in it. `*` is any text, `?` one character.
        groups: per group the dimensions of parameters that it reaches, its name among them.

    Raises UsageError, with the nearest names, for a pattern that matches nothing.
    """
    wild = _compiled(pattern)
    names = [set().union(*map(_names, reached)) for reached in groups]
    found = {number for number, own in enumerate(names) if any(map(wild.fullmatch, own))}
    if not found:
        known = sorted(set().union(*names))
        near = get_close_matches(pattern, known, n=_NEAREST, cutoff=0.0)
        told = f"the nearest names are {', '.join(near)}" if near else "there is nothing to prune"
        raise UsageError(f"{key}: '{pattern}' matches no group, parameter or module; {told}")
    return found


def _compiled(pattern: str) -> re.Pattern[str]:
    """Brackets are part of names, so only `*` and `?` are wild."""
    parts = (re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join({r"\*": ".*", r"\?": "."}.get(part, part) for part in parts), re.S)


def _names(reached: str) -> Iterator[str]:
    """A dimension `a.b.weight[0]` goes by its own name, its parameter's and its modules'."""
    yield reached
    name = reached.partition("[")[0]
    while name:
        yield name
        name = name.rpartition(".")[0]
