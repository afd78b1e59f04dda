"""Costs of whole models taken apart: one function of widths per kind of site, fitted to totals.

An additive Gaussian process (Duvenaud, Nickisch, Rasmussen 2011, "Additive Gaussian Processes",
section 2; Rasmussen and Williams 2006, section 2.2). A total is a constant and the sum over sites
of f_kind(widths). The mean of f is a non-negative least-squares fit of work, traffic and calls,
shared by all kinds of an operator; the deviation of a kind from it is Gaussian: a constant, parts
linear in each axis and in their product, a smooth rest, and one that is for a width alone. So a
kind that was seen little costs what its like costs, one that was seen often what was measured, and
what no model would expect of a width is learned where that width was measured.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from pipeline.cost.features import Floats, columns, describe
from pipeline.cost.sites import Kind, Widths

Sites = Sequence[tuple[str, Widths]]  # kind and widths of each


@dataclass(frozen=True)
class Sample:
    """A measured total: its sites, its value, the relative error of that, and whose constant it
    has: all whole models share the one of "", a window has its own."""

    sites: Sites
    value: float
    error: float = 0.01
    origin: str = ""


@dataclass(frozen=True)
class Strength:
    """How far a kind's cost may stray from its mean, as shares of that mean at full width."""

    constant: float = 0.3
    linear: float = 0.3
    product: float = 0.3
    smooth: float = 0.3
    single: float = 0.1
    reach: float = 0.25  # of the smooth part, in shares of the full width

    def times(self, factor: float) -> "Strength":
        """All shares larger or smaller by a factor."""
        names = ("constant", "linear", "product", "smooth", "single")
        return replace(self, **{name: getattr(self, name) * factor for name in names})


FACTORS = (0.5, 1.0, 2.0)
ERRORS = (0.5, 1.0, 2.0, 4.0)
_LEAST_SHARE = 1e-3  # of the largest total: what a kind's cost may be, whatever its mean says
_RIDGE = 0.005
_ORIGIN = 0.5  # how far a window's own constant strays, as a share of its total


@dataclass(frozen=True)
class _Seen:
    """A kind in the samples: its distinct widths `[m, axes]`, how often each sample has them
    `[n, m]`, the full widths, and the scale of its deviation."""

    kind: Kind
    widths: Floats
    counts: Floats
    full: Floats
    scale: float


class Additive:
    """The fitted functions."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        samples: Sequence[Sample],
        strength: Strength | None = None,
        errors: float = 1.0,
    ) -> None:
        """Fits by the strength given, or the likeliest of some.

        Raises ValueError for no samples, values that are not positive, or unknown kinds.
        """
        _check(kinds, samples)
        self._kinds = kinds
        self._columns = columns(kinds)
        self._samples = samples
        self._values = np.array([one.value for one in samples])
        self._whole = np.array([one.origin == "" for one in samples])
        self._fit_mean()
        self._seen = {name: self._gathered(name) for name in kinds}
        self._residual = self._values - self._means()
        self.strength, self.errors = strength or Strength(), errors
        if strength is None:
            self.strength, self.errors = self._likeliest()
        self._solve()

    # ---------------------------------------------------------------- what it says
    @property
    def constant(self) -> float:
        """What a model without any site costs."""
        return float(self._constant)

    def of(self, kind: str, widths: Floats) -> Floats:
        """The cost of sites of a kind, `[n, axes]` to `[n]`; never below 0."""
        seen = self._seen[kind]
        mean = self._mean(seen.kind, widths)
        deviation = self._kernel(seen, widths, seen.widths) @ self._weights[kind]
        return np.maximum(mean + deviation, 0.0)

    def total(self, sites: Sites) -> float:
        """The cost of a whole model of these sites."""
        return self.constant + sum(
            count * float(self.of(kind, np.array([widths], np.float64).reshape(1, -1))[0])
            for (kind, widths), count in Counter(sites).items()
        )

    # ---------------------------------------------------------------- the mean
    def _fit_mean(self) -> None:
        """Relative errors count, so every row is divided by its value."""
        rows = np.array([self._row(one.sites) for one in self._samples])
        rows = np.column_stack([rows, self._whole])
        weighted = rows / self._values[:, None]
        scale = np.maximum(weighted.max(axis=0), np.finfo(float).tiny)
        ridge = _RIDGE * np.eye(rows.shape[1])
        wanted = np.concatenate([np.ones(len(rows)), np.zeros(rows.shape[1])])
        found, _ = nnls(np.concatenate([weighted / scale, ridge]), wanted)
        found = found / scale
        self._coefficients, self._constant = found[:-1], found[-1]

    def _row(self, sites: Sites) -> Floats:
        place = {name: number for number, name in enumerate(self._columns)}
        row = np.zeros(len(place))
        for (kind, widths), count in Counter(sites).items():
            at = np.array([widths], np.float64).reshape(1, -1)
            for name, value in describe(self._kinds[kind], at):
                row[place[name]] += count * value[0]
        return row

    def _mean(self, kind: Kind, widths: Floats) -> Floats:
        by_name = dict(zip(self._columns, self._coefficients, strict=True))
        mean = np.zeros(len(widths))
        for name, value in describe(kind, widths):
            mean += by_name[name] * value
        return mean

    def _means(self) -> Floats:
        total = self._constant * self._whole
        for seen in self._seen.values():
            total = total + seen.counts @ self._mean(seen.kind, seen.widths)
        return np.asarray(total)

    # ---------------------------------------------------------------- the deviation
    def _gathered(self, name: str) -> _Seen:
        kind = self._kinds[name]
        found = [[widths for own, widths in one.sites if own == name] for one in self._samples]
        distinct = sorted({widths for each in found for widths in each})
        place = {widths: number for number, widths in enumerate(distinct)}
        counts = np.zeros((len(found), len(distinct)))
        for row, each in zip(counts, found, strict=True):
            for widths in each:
                row[place[widths]] += 1
        rows = np.array(distinct, np.float64).reshape(len(distinct), kind.axes)
        full = rows.max(axis=0, initial=1.0)
        scale = max(float(self._mean(kind, full[None])[0]), _LEAST_SHARE * self._values.max())
        return _Seen(kind, rows, counts, full, scale)

    def _kernel(self, seen: _Seen, left: Floats, right: Floats) -> Floats:
        """The covariance of a kind's deviations at two lists of widths."""
        own = self.strength
        a, b = left / seen.full, right / seen.full
        apart = np.abs(a[:, None, :] - b[None, :, :]).sum(axis=2)
        covariance = (
            own.constant**2
            + own.linear**2 * (a @ b.T)
            + own.product**2 * np.outer(a.prod(axis=1), b.prod(axis=1))
            + own.smooth**2 * np.exp(-apart / own.reach)
            + own.single**2 * (apart < 1e-9)
        )
        return np.asarray(covariance * seen.scale**2)

    def _covariance(self) -> Floats:
        size = len(self._values)
        errors = np.array([one.error for one in self._samples]) * self.errors * self._values
        total = np.diag(errors**2)
        for seen in self._seen.values():
            own = self._kernel(seen, seen.widths, seen.widths)
            total += seen.counts @ own @ seen.counts.T
        origins = np.array([one.origin for one in self._samples])
        shared = (origins[:, None] == origins[None, :]) & ~self._whole[:, None]
        spread = _ORIGIN * self._values
        return np.asarray(total + shared * np.outer(spread, spread) + 1e-12 * np.eye(size))

    def _likeliest(self) -> tuple[Strength, float]:
        """By the marginal likelihood, over a small grid."""
        best = (np.inf, self.strength, self.errors)
        base = self.strength
        for factor in FACTORS:
            for errors in ERRORS:
                self.strength, self.errors = base.times(factor), errors
                best = min(best, (self._surprise(), self.strength, errors), key=lambda one: one[0])
        return best[1], best[2]

    def _surprise(self) -> float:
        """The negative logarithm of the likelihood, but for a constant."""
        lower = np.linalg.cholesky(self._covariance())
        white = np.linalg.solve(lower, self._residual)
        return float(0.5 * white @ white + np.log(np.diag(lower)).sum())

    def _solve(self) -> None:
        solved = np.linalg.solve(self._covariance(), self._residual)
        self._weights = {name: seen.counts.T @ solved for name, seen in self._seen.items()}


def _check(kinds: Mapping[str, Kind], samples: Sequence[Sample]) -> None:
    if not samples:
        raise ValueError("no samples to fit a cost to")
    for one in samples:
        if not (np.isfinite(one.value) and one.value > 0):
            raise ValueError(f"a sample's value must be positive, found {one.value}")
        for kind, _ in one.sites:
            if kind not in kinds:
                raise ValueError(f"a sample has a site of an unknown kind: {kind}")
