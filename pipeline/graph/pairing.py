"""Which atoms of an equation's two sides are the same, told by where they occur in its family.

Equations come in families: one per index of two dimensions that must be equal. In g₀·w₀ = p₀·u₀ any
pairing would do; but where g₀ occurs on the left of the very equations in which p₀ does on the
right, as rows and columns of a grid do, the two are one, and so are w₀ and u₀.
"""

from collections import Counter
from collections.abc import Iterable

Side = tuple[int, ...]  # an equation's atoms on one side
Pair = tuple[int, int]


class Places:
    """Per atom and side, the equations of a family that it occurs in, as the bits of a number."""

    def __init__(self, equations: Iterable[tuple[Side, Side]]) -> None:
        """Note the atoms of both sides, without those that the sides share."""
        self._left: dict[int, int] = {}
        self._right: dict[int, int] = {}
        for number, (left, right) in enumerate(equations):
            for places, atoms in ((self._left, left), (self._right, right)):
                for atom in atoms:
                    places[atom] = places.get(atom, 0) | 1 << number

    def pair(self, left: Side, right: Side) -> tuple[list[Pair], Side, Side]:
        """The pairs of one equation that occur in the same equations, as no other atoms of its
        sides do; and what is left of both sides."""
        ours, theirs = _alone(left, self._left), _alone(right, self._right)
        pairs = [(atom, theirs[places]) for places, atom in ours.items() if places in theirs]
        paired = {atom for pair in pairs for atom in pair}
        return pairs, _without(left, paired), _without(right, paired)


def _alone(atoms: Side, places: dict[int, int]) -> dict[int, int]:
    """The atoms that share their places with no other, by their places."""
    count = Counter(places.get(atom) for atom in atoms)
    return {places[atom]: atom for atom in atoms if atom in places and count[places[atom]] == 1}


def _without(side: Side, atoms: set[int]) -> Side:
    return tuple(atom for atom in side if atom not in atoms)
