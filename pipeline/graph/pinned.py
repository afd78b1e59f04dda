"""What is pinned: dimensions of parameters that must stay whole, why, and the work that they hold.

Work is held where nothing that may be pruned runs over it: it stays whatever else goes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.graph.census import Census, Integers, Mask, Product, total
from pipeline.graph.classes import in_order
from pipeline.graph.labels import Labelled
from pipeline.graph.solution import Solution


@dataclass(frozen=True)
class Pinned:
    """A parameter's dimension that must stay whole, and why. It stands for everything tied to it:
    `axes` are all of the census's that hold any of its indices."""

    name: str
    reason: str
    axes: tuple[int, ...] = ()


def find_pinned(labelled: Labelled, solution: Solution) -> tuple[Pinned, ...]:
    """Parameter dimensions of which something is pinned for a stated reason, each class once.

    Ask after the census was taken: it may add contents to the solution.
    """
    found = list(_reasons(labelled, solution))
    owner = np.full(len(solution.terms), -1)
    for number, (_, _, terms) in enumerate(found):
        owner[terms] = number
    axes: dict[int, list[int]] = defaultdict(list)
    for content in solution.contents:
        for number in np.unique(owner[content.constant()]).tolist():
            axes[number].append(content.number)
    return tuple(
        Pinned(name, reason, tuple(axes[number])) for number, (name, reason, _) in enumerate(found)
    )


def _reasons(labelled: Labelled, solution: Solution) -> Iterator[tuple[str, str, list[int]]]:
    """The name, the reason and the pinned terms that no earlier dimension has."""
    terms = labelled.terms
    seen: set[int] = set()
    for parameter in in_order(labelled):
        for dimension, content in enumerate(solution.of_each(parameter.labels)):
            new = [] if content is None else sorted({*content.constant().tolist()} - seen)
            seen.update(new)
            reason = next(filter(None, map(terms.reason, new)), None)
            if reason:
                yield f"{parameter.names[0]}[{dimension}]", reason, new


def held_macs(census: Census, pinned: Sequence[Pinned], closed: Mask) -> list[int]:
    """Per pinned dimension, the multiply-accumulates per example that run over it and stay.

    Args:
        census: the graph's numbers.
        pinned: what `find_pinned` found in the same graph.
        closed: the choice that removes everything that may be pruned.
    """
    found = held(census.macs, pinned, census.kept(closed))
    return [value // census.batch for value in found]


def held(products: Sequence[Product], pinned: Sequence[Pinned], kept: Integers) -> list[int]:
    """Per pinned dimension, the sum of those products that it is a factor of, at these sizes."""
    values = [total((product,), kept) for product in products]
    over: dict[int, set[int]] = defaultdict(set)
    for number, (_, axes) in enumerate(products):
        for axis in axes:
            over[axis].add(number)
    each = (set[int]().union(*(over[axis] for axis in one.axes if axis in over)) for one in pinned)
    return [sum(values[number] for number in numbers) for numbers in each]
