"""The store of terms: which indices of all tensors live and die together.

Every dimension of every tensor carries a `Label`: None (all its indices always live) or a vector of
term ids. A term is ONE (lives always), a free *atom*, or a product of terms; an index lives exactly
if all atoms of its term live. The store solves equations between terms: a union-find with
substitution, which is first-order unification where "and" is idempotent and commutative. Plain
union-find is not enough, since heads × head dimensions are products. An equation more than needed
only loses freedom, so tying too much is always sound.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.graph.pairing import Places

Vector = npt.NDArray[np.int64]
Label = Vector | None
Atoms = tuple[int, ...]

ONE = 0


class Terms:
    """Equations between terms, solved as they come; what is pinned is pinned for `because`."""

    def __init__(self) -> None:
        """A store that holds ONE alone."""
        self.because = ""
        self._size = 1
        self._parent: Vector = np.zeros(1024, np.int64)
        self._axis: Vector = np.zeros(1024, np.int64)
        self._scratch: Vector = np.zeros(1024, np.int64)
        self._axes = 0
        self._bound = np.zeros(1024, np.bool_)  # a root that is ONE or stands for a product
        self._bound[ONE] = True
        self._pinned: dict[int, str] = {ONE: ""}
        self._factors: dict[int, tuple[int, ...]] = {}
        self._products: dict[tuple[int, int], int] = {}
        self._resolved: dict[int, Atoms] = {}
        self._guessed: set[int] = set()

    # ---------------------------------------------------------------- making terms
    def fresh(self, count: int) -> Label:
        """An axis of `count` new atoms; None for a size of one, which can never be pruned."""
        if count == 1:
            return None
        self._axes += 1
        return self._new(count, self._axes)

    def product(self, a: int, b: int) -> int:
        """The term that lives where both a and b live."""
        a, b = self.root(a), self.root(b)
        if a == b or b in self._pinned:
            return a
        if a in self._pinned:
            return b
        key = (min(a, b), max(a, b))
        if key not in self._products:
            term = int(self._new(1, 0)[0])
            self._bind(term, key)
            self._products[key] = term
        return self._products[key]

    def _new(self, count: int, axis: int) -> Vector:
        first, last = self._size, self._size + count
        while last > len(self._parent):
            self._parent = np.concatenate([self._parent, np.zeros_like(self._parent)])
            self._axis = np.concatenate([self._axis, np.zeros_like(self._axis)])
            self._bound = np.concatenate([self._bound, np.zeros_like(self._bound)])
            self._scratch = np.zeros_like(self._parent)
        terms = np.arange(first, last, dtype=np.int64)
        self._parent[first:last], self._axis[first:last], self._size = terms, axis, last
        return terms

    # ---------------------------------------------------------------- asking
    def __len__(self) -> int:
        """How many terms there are, ONE included."""
        return self._size

    def root(self, term: int) -> int:
        """The representative of a term's class."""
        parent = self._parent
        root = int(term)
        while int(parent[root]) != root:
            root = int(parent[root])
        parent[term] = root
        return root

    def roots(self, vector: Vector) -> Vector:
        """The representative of every term of a vector."""
        found = self._parent[vector]
        while True:
            above = self._parent[found]
            if np.array_equal(above, found):
                break
            found = above
        self._parent[vector] = found
        return found

    def resolve(self, term: int) -> Atoms:
        """The free atoms of a term in order of creation; none at all means ONE."""
        root = self.root(term)
        if root in self._pinned:
            return ()
        if root not in self._factors:
            return (root,)
        if root not in self._resolved:
            atoms: set[int] = set()
            for factor in self._factors[root]:
                atoms.update(self.resolve(factor))
            self._resolved[root] = tuple(sorted(atoms))
        return self._resolved[root]

    def resolve_each(self, roots: Vector) -> list[Atoms]:
        """The free atoms of every one of these representatives."""
        pairs = zip(roots.tolist(), self._bound[roots].tolist(), strict=True)
        return [self.resolve(root) if bound else (root,) for root, bound in pairs]

    def atoms(self, vector: Vector) -> list[Atoms]:
        """The free atoms of every term of a vector."""
        unique, inverse = np.unique(self.roots(vector), return_inverse=True)
        resolved = [self.resolve(int(term)) for term in unique]
        return [resolved[index] for index in inverse]

    def simplify(self, label: Label) -> Label:
        """None in place of a vector whose terms are all ONE."""
        if label is None or not any(self.resolve(int(t)) for t in np.unique(self.roots(label))):
            return None
        return label

    def axes(self, atoms: Vector) -> Vector:
        """The numbers of the axes that atoms were made for."""
        return self._axis[atoms]

    def reason(self, term: int) -> str:
        """Why a term that resolved to nothing is pinned; empty where nobody said."""
        root = self.root(term)
        if root in self._pinned:
            return self._pinned[root]
        return next(filter(None, map(self.reason, self._factors.get(root, ()))), "")

    # ---------------------------------------------------------------- equations
    def pin(self, label: Label) -> None:
        """Every index of the label always lives, for the reason in `because`."""
        if label is None:
            return
        for term in np.unique(self.roots(label)).tolist():
            self._pin_all(self.resolve(term))

    def unify(self, a: Label, b: Label) -> Label:
        """The label of two dimensions that must stay equal.

        Raises ValueError for vectors of different lengths.
        """
        if a is b:
            return a
        if a is None or b is None:
            self.pin(b if a is None else a)
            return None
        if len(a) != len(b):
            raise ValueError(f"dimensions of {len(a)} and {len(b)} can't be one")
        x, y = self.roots(a), self.roots(b)
        differ = x != y
        if differ.any():
            self._unify_roots(x[differ], y[differ])
        return a

    def equate(self, a: int, b: int) -> None:
        """Solve a = b: common atoms cancel, then one side is pinned, bound or joined to the other.

        Several atoms on both sides have no one solution. Those that belong together, by the other
        equations of the family, are joined. Of the rest equal numbers pair in order of creation,
        outer to inner, and other numbers are pinned: both are guesses, see `is_guessed`.
        """
        self._solve_each([(a, b)])

    def is_guessed(self, label: Label) -> bool:
        """Whether the atoms that a label was made of were tied to others by a guess."""
        if label is None:
            return False
        return not self._parts(self._guessed).isdisjoint(self._parts(label.tolist()))

    def _parts(self, terms: Iterable[int]) -> set[int]:
        """The representatives of terms, and of all that they stand for, pinned ones included."""
        found: set[int] = set()
        ahead = [self.root(term) for term in terms]
        while ahead:
            term = ahead.pop()
            if term not in found:
                found.add(term)
                ahead += map(self.root, self._factors.get(term, ()))
        return found

    def _solve_each(self, equations: Sequence[tuple[int, int]]) -> None:
        places: Places | None = None
        for a, b in equations:
            left, right = self._sides(a, b)
            if len(left) > 1 and len(right) > 1:
                places = places or Places(self._sides(*one) for one in equations)
                pairs, left, right = places.pair(left, right)
                for x, y in pairs:
                    self._join(np.array([x]), np.array([y]))
            if left or right:
                self._solve(left, right)

    def _sides(self, a: int, b: int) -> tuple[Atoms, Atoms]:
        """The atoms of both sides without those that they share."""
        of_a, of_b = self.resolve(a), self.resolve(b)
        if of_a == of_b:
            return (), ()
        left = tuple(atom for atom in of_a if atom not in of_b)
        return left, tuple(atom for atom in of_b if atom not in of_a)

    def _solve(self, left: Atoms, right: Atoms) -> None:
        if not left or not right:
            self._pin_all(left + right)  # c = c·x leaves x = ONE only if x never binds c: pin it
        elif len(left) == 1:
            self._bind_or_join(left[0], right)
        elif len(right) == 1:
            self._bind_or_join(right[0], left)
        else:
            self._guess(left, right)

    def _bind_or_join(self, atom: int, others: Atoms) -> None:
        if len(others) == 1:
            self._join(np.array([atom]), np.array(others))
        else:
            self._bind(atom, others)

    def _guess(self, left: Atoms, right: Atoms) -> None:
        self._guessed.update(left + right)
        if len(left) == len(right):
            self._join(np.array(left), np.array(right))
        else:
            self._pin_all(left + right)

    def _unify_roots(self, x: Vector, y: Vector) -> None:
        free = not (self._bound[x].any() or self._bound[y].any())
        if free and self._differ(np.concatenate([x, y])):  # one atom each: any order of solving
            self._join(x, y)
            return
        self._solve_each(list(dict.fromkeys(zip(x.tolist(), y.tolist(), strict=True))))

    def _differ(self, roots: Vector) -> bool:
        """Whether no two of these are the same: each still finds the number that it left."""
        numbers = np.arange(len(roots))
        self._scratch[roots] = numbers
        return bool((self._scratch[roots] == numbers).all())

    def _join(self, x: Vector, y: Vector) -> None:
        self._parent[np.maximum(x, y)] = np.minimum(x, y)
        self._resolved.clear()

    def _bind(self, atom: int, factors: tuple[int, ...]) -> None:
        self._factors[atom] = factors
        self._bound[atom] = True
        self._resolved.clear()

    def _pin_all(self, atoms: Iterable[int]) -> None:
        for atom in atoms:
            self._pinned[atom] = self.because
            self._bound[atom] = True
        self._resolved.clear()
