"""The choice of widths and blocks as a mixed-integer linear programme.

One binary per group and width, one per block. A term of several groups gets a variable per
combination of their widths, tied to the binaries by its sums along every axis: with whole binaries
it is their product, and without them the relaxation is the tightest there is for that term alone
(the local marginal polytope; Sherali and Adams 1990). A group that goes with a block has no width,
and a term whose block goes has no combination: their sums are then 0 instead of 1.
Where a term grows with a sum of widths, the sum is multiplied out: a variable per combination of
the term's own groups is the sum at that combination and 0 at the others (the disaggregated form of
a product with a choice, exact and as tight as it can be; Balas 1985, on disjunctions). That takes
as many variables as the term has combinations, however many groups are in the sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from pipeline.graph.census import Integers
from pipeline.prune.allocation import Floats
from pipeline.prune.limits import Charge, Legal, Slope, Term
from pipeline.prune.removable import Removable, absorbers, exclusive, removers
from pipeline.prune.rows import Linear, Rows
from pipeline.prune.sums import Axis, summed, sums_of

_Site = tuple[tuple[Axis, ...], tuple[str, ...]]  # sorted groups, sorted blocks
_Parts = tuple[tuple[str, float], ...]
_FEW = 2  # groups whose combinations are taken one by one


class Programme:
    """Columns, rows, and what charges and divergences are in them.

    `widths[g]` are the columns of a group's widths, `block[b]` is a block's column.
    """

    def __init__(self, legal: Legal, blocks: Sequence[Removable]) -> None:
        """Groups and blocks go by name, so that their order in the arguments changes nothing."""
        self._legal = legal
        self._blocks = sorted(blocks, key=lambda one: one.name)
        self.integral: list[bool] = []
        self.rows = Rows()
        self._absences: dict[tuple[str, ...], Integers] = {}
        self._sites: dict[_Site, Integers] = {}
        self._sums: dict[Axis, tuple[Integers, Integers]] = {}
        self._grown: dict[tuple[_Site, _Parts], Integers] = {}
        self.block = {one.name: int(self._columns(1, True)[0]) for one in self._blocks}
        self.widths = {
            name: self._columns(len(legal.widths[name]), True) for name in sorted(legal.widths)
        }
        self._goers = {name: tuple(sorted(removers(blocks, name))) for name in self.widths}
        for name, columns in self.widths.items():
            self._one_of(columns, self._goers[name])
        for one in self._blocks:
            self._rule(one)

    def cost(self, charge: Charge) -> Linear:
        """What a limit is charged."""
        return self._sum(charge.constant, charge.terms)

    def loss(self, losses: Mapping[str, Floats]) -> Linear:
        """The summed divergence of groups, where they stand for themselves, and of blocks."""
        terms = [
            Term((name,), losses[name], tuple(sorted(absorbers(self._blocks, name))))
            for name in self.widths
        ]
        groups = self._sum(0.0, terms)
        columns = [self.block[one.name] for one in self._blocks]
        return Linear(
            groups.constant,
            np.concatenate([groups.columns, np.array(columns, np.int64)]),
            np.concatenate([groups.factors, [one.loss for one in self._blocks]]),
        )

    def chosen(self, values: Floats) -> tuple[dict[str, int], tuple[str, ...]]:
        """The widths and the blocks that a solution means; groups that go count as whole."""
        blocks = tuple(name for name, column in self.block.items() if values[column] > 0.5)
        gone = set(blocks)
        widths = {}
        for name, columns in self.widths.items():
            own = self._legal.widths[name]
            stands = gone.isdisjoint(self._goers[name])
            widths[name] = own[int(np.argmax(values[columns]))] if stands else own[-1]
        return widths, blocks

    def _columns(self, count: int, integral: bool) -> Integers:
        first = len(self.integral)
        self.integral.extend([integral] * count)
        return np.arange(first, first + count)

    def _rule(self, block: Removable) -> None:
        """What goes with a block, what it excludes, and what its absence asks of other groups."""
        own = self.block[block.name]
        for other in block.overlaps:
            self.rows.add(np.array([own, self.block[other]]), np.ones(2), -np.inf, 1)
        for name in block.effect.held:
            self._forbid(self.widths[name][:-1], own)
        for joined in block.effect.joined:
            for one, other in pairwise(joined):
                self._join(one, other, own)

    def _forbid(self, columns: Integers, block: int) -> None:
        """None of these columns where the block goes."""
        if len(columns):
            ones = np.ones(len(columns) + 1)
            self.rows.add(np.append(columns, block), ones, -np.inf, 1)

    def _join(self, one: str, other: str, block: int) -> None:
        """The same width for two groups where the block goes."""
        wide, narrow = self._legal.widths[one], self._legal.widths[other]
        for width in sorted(set(wide) | set(narrow)):
            if width in wide and width in narrow:
                a = self.widths[one][wide.index(width)]
                b = self.widths[other][narrow.index(width)]
                for pair in ([a, b], [b, a]):
                    factors = np.array([1.0, -1.0, 1.0])
                    self.rows.add(np.array([*pair, block]), factors, -np.inf, 1)
            else:
                name, own = (one, wide) if width in wide else (other, narrow)
                self._forbid(self.widths[name][[own.index(width)]], block)

    def _one_of(self, columns: Integers, blocks: tuple[str, ...]) -> None:
        """Exactly one of the columns, or one of the blocks goes."""
        everything = np.concatenate([columns, self._absence(blocks)])
        self.rows.add(everything, np.ones(len(everything)), 1, 1)

    def _absence(self, blocks: tuple[str, ...]) -> Integers:
        """Columns whose sum is 1 where any of the blocks goes, else 0."""
        columns = np.array([self.block[name] for name in blocks], np.int64)
        if exclusive(self._blocks, blocks):
            return columns
        if blocks not in self._absences:
            made = self._columns(1, False)
            for column in columns.tolist():
                self.rows.add(np.array([made[0], column]), np.array([1.0, -1.0]), 0, np.inf)
            both = np.concatenate([columns, made])
            self.rows.add(both, np.append(np.ones(len(columns)), -1.0), 0, np.inf)
            self.rows.add(made, np.ones(1), 0, 1)
            self._absences[blocks] = made
        return self._absences[blocks]

    def _sum(self, constant: float, terms: Sequence[Term]) -> Linear:
        columns, factors = [np.zeros(0, np.int64)], [np.zeros(0)]
        for (axes, blocks), values in self._by_site(terms).items():
            if axes:
                columns.append(self._site(axes, blocks))
                factors.append(values.ravel())
            else:
                constant += float(values)
                columns.append(self._absence(blocks))
                factors.append(np.full(len(columns[-1]), -float(values)))
        for term in terms:
            for slope in term.slopes:
                own = self._grown_by(term, slope)
                columns.append(own.columns)
                factors.append(own.factors)
        return Linear(constant, np.concatenate(columns), np.concatenate(factors))

    def _grown_by(self, term: Term, slope: Slope) -> Linear:
        """What a slope adds: its sum at every combination of the term's groups, as a share of the
        most that it can be."""
        widths, goers = self._legal.widths, self._goers_of(term)
        most = sum(times * widths[name][-1] for name, times in slope.parts)
        order = np.argsort(np.array(term.groups, np.str_))
        axes = tuple((term.groups[place],) for place in order)
        key = (axes, goers), tuple(sorted(slope.parts))
        if key not in self._grown:
            combined = self._site(axes, goers)
            columns = self._columns(len(combined), False)
            least = sum(times * widths[name][0] for name, times in slope.parts) / most
            for one, combination in zip(columns.tolist(), combined.tolist(), strict=True):
                both = np.array([one, combination])
                self.rows.add(both, np.array([1.0, -1.0]), -np.inf, 0)
                self.rows.add(both, np.array([1.0, -least]), 0, np.inf)
            self._add_up(columns, slope, most, self._absence(goers))
            self._grown[key] = columns
        factors = slope.values.transpose(order).ravel() * most
        return Linear(0.0, self._grown[key], factors)

    def _add_up(self, columns: Integers, slope: Slope, most: float, absent: Integers) -> None:
        """The shares add up to the sum; without the term to nothing, whatever the sum is."""
        parts = [self.widths[name] for name, _ in slope.parts]
        sizes = [
            np.array(self._legal.widths[name], np.float64) * (-times / most)
            for name, times in slope.parts
        ]
        columns = np.concatenate([columns, *parts])
        factors = np.concatenate([np.ones(len(columns) - sum(map(len, parts))), *sizes])
        self.rows.add(columns, factors, -np.inf, 0)
        both = np.concatenate([columns, absent])
        self.rows.add(both, np.append(factors, np.ones(len(absent))), 0, np.inf)

    def _goers_of(self, term: Term) -> tuple[str, ...]:
        """The blocks without which a term has no cost."""
        goers = {block for name in term.everyone for block in self._goers[name]}
        return tuple(sorted(goers.union(term.blocks)))

    def _by_site(self, terms: Iterable[Term]) -> dict[_Site, Floats]:
        """Terms of the same groups and blocks as one, in the order of their names."""
        found: dict[tuple[Axis, tuple[str, ...]], Floats] = {}
        for term in terms:
            order = np.argsort(np.array(term.groups, np.str_))
            groups = tuple(term.groups[place] for place in order)
            site = groups, self._goers_of(term)
            found[site] = found.get(site, 0.0) + term.values.transpose(order)
        fewer: dict[_Site, Floats] = {}
        for (groups, blocks), values in sorted(found.items()):
            axes, table = self._fewer(groups, values)
            fewer[axes, blocks] = fewer.get((axes, blocks), 0.0) + table
        return fewer

    def _fewer(self, groups: Axis, values: Floats) -> tuple[tuple[Axis, ...], Floats]:
        """A table of many groups by the sums of those that never go, where it can be told so."""
        if len(groups) <= _FEW:
            return tuple((name,) for name in groups), values
        lasting = [name for name in groups if not self._goers[name]]
        return summed(groups, values, self._legal.widths, lasting)

    def _site(self, axes: tuple[Axis, ...], blocks: tuple[str, ...]) -> Integers:
        """The columns of a site's combinations of widths, first axis slowest."""
        if len(axes) == 1 and blocks == self._absent_with(axes[0]):
            return self._axis(axes[0])[0]
        site = axes, blocks
        if site not in self._sites:
            shape = tuple(len(self._axis(axis)[0]) for axis in axes)
            columns = self._columns(int(np.prod(shape)), False)
            self._sites[site] = columns
            self._tie(columns.reshape(shape), axes, blocks)
        return self._sites[site]

    def _axis(self, axis: Axis) -> tuple[Integers, Integers]:
        """The columns of an axis, and the width or the sum of widths that each stands for."""
        if len(axis) == 1:
            return self.widths[axis[0]], np.array(self._legal.widths[axis[0]], np.int64)
        if axis not in self._sums:
            parts = axis[:-1], axis[-1:]
            sums, which = sums_of(*(self._axis(part)[1] for part in parts))
            pairs = self._site(parts, ()).reshape(which.shape)
            columns = self._columns(len(sums), False)
            for number, column in enumerate(columns.tolist()):
                own = pairs[which == number]
                self.rows.add(np.append(own, column), np.append(np.ones(len(own)), -1.0), 0, 0)
            self._sums[axis] = columns, sums
        return self._sums[axis]

    def _absent_with(self, axis: Axis) -> tuple[str, ...]:
        """The blocks that an axis goes with; sums are of groups that go with none."""
        return self._goers[axis[0]] if len(axis) == 1 else ()

    def _tie(self, columns: Integers, axes: Sequence[Axis], blocks: tuple[str, ...]) -> None:
        """Combinations add up to the widths that they are of, and to 1 or, without a block, 0."""
        equal = [blocks == self._absent_with(axis) for axis in axes]
        if not any(equal):
            self._one_of(columns.ravel(), blocks)
        for place, (axis, same) in enumerate(zip(axes, equal, strict=True)):
            slices = np.moveaxis(columns, place, 0).reshape(columns.shape[place], -1)
            for part, width in zip(slices, self._axis(axis)[0].tolist(), strict=True):
                factors = np.append(np.ones(len(part)), -1.0)
                self.rows.add(np.append(part, width), factors, 0 if same else -np.inf, 0)
