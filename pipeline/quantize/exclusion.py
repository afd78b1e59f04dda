"""Which operators a user means that are to stay float. Pure: knows names, not tensors."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from pipeline.quantize.layout import Layout, Part


def named(parts: Layout, pattern: str) -> tuple[str, ...]:
    """The nodes that a pattern means, in the graph's order: by their own name, a module that they
    are in, or the kind of operator; * is any text. None where it matches nothing."""
    return tuple(
        part.name
        for part in parts.values()
        if part.operator and any(fnmatchcase(name, pattern) for name in _names(part))
    )


def names(parts: Layout) -> tuple[str, ...]:
    """All names that a pattern can match: modules first, then kinds, then nodes."""
    operators = [part for part in parts.values() if part.operator]
    modules = [name for part in operators for name in _modules(part)]
    kinds, own = [part.operator for part in operators], [part.name for part in operators]
    return tuple(dict.fromkeys([*modules, *kinds, *own]))


def _names(part: Part) -> Iterator[str]:
    yield part.name
    yield part.operator
    yield from _modules(part)


def _modules(part: Part) -> Iterator[str]:
    """The module that called it, and those around that one."""
    path = part.module.split(".") if part.module else []
    yield from (".".join(path[:length]) for length in range(1, len(path) + 1))
