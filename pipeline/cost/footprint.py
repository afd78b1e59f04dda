"""How large an artifact is and how much memory it takes, fitted to what was measured.

Size is nearly exact: a runtime's file holds the stored tensors and a fixed part per operator.
Memory is a model of what was measured: weights, and the activations that are alive together at
the worst moment (liveness), each with a factor, beside a constant. One process per model tells a
constant well and factors badly, so these stay near what they are in any runtime unless the
measured models say otherwise (a Gaussian prior: ridge regression towards it).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from pipeline.cost.charging import terms
from pipeline.cost.features import Floats, extents_at
from pipeline.cost.sites import Kind, Model, Site, Widths
from pipeline.cost.table import CostTable
from pipeline.prune.limits import Charge, Legal, Term
from targets.conversion import Precision
from targets.measurement import median

_ELEMENT = {"fp32": 4.0, "int8": 1.0, "float16": 2.0, "int8-weights": 1.0, "int4-weights": 0.5}
"""Bytes of a weight; what the fit makes of them holds for activations of another size too."""
Peak = tuple[Mapping[str, Widths], float]
"""A model by its sites, and its peak memory in MB."""
_RIDGE = 1e-4
_USUAL = (2.0, 1.0)
"""Of a byte of weights, held as it was read and as it was packed, and of one of activations."""
_STRAY = 1.0  # how far a runtime's factors are from those
_REPEAT = 0.02  # of a peak: what two processes of one model differ by


class Size:
    """The bytes of an artifact's files."""

    def __init__(self, table: CostTable) -> None:
        """Fits to every whole artifact of the table."""
        self._model = table.model
        self._by_name = {site.name: site for site in table.model.sites}
        self._element = _ELEMENT[table.key.precision]
        self._operators = sorted({kind.operator for kind in table.model.kinds.values()})
        self._columns = 2 + len(self._operators)
        probes = [one for one in table.probes if one.size_bytes and one.role != "window"]
        rows = np.array([self._row(one.sites) for one in probes])
        found = _non_negative(rows, np.array([float(one.size_bytes or 0) for one in probes]))
        self._weights, self.constant = found[:-1], float(found[-1])

    def of(self, present: Mapping[str, Widths]) -> float:
        """The size of a model of these sites."""
        return self.constant + float(self._row(present) @ self._weights)

    def site(self, site: Site, widths: Floats) -> Floats:
        """What a site adds, `[n, axes]` to `[n]`."""
        return self._features(site, widths) @ self._weights

    def _row(self, present: Mapping[str, Widths]) -> Floats:
        row = np.zeros(self._columns)
        for name, widths in present.items():
            at = np.array([widths], np.float64).reshape(1, -1)
            row += self._features(self._by_name[name], at)[0]
        return row

    def _features(self, site: Site, widths: Floats) -> Floats:
        """Bytes of matrices; elements of vectors, with those that fused norms and scales leave per
        channel; and one call of the operator."""
        kind = self._model.kinds[site.kind]
        found = np.zeros((len(widths), self._columns))
        found[:, 0] = extents_at(kind.matrices, widths) * self._element
        found[:, 1] = _channels(kind, widths)
        found[:, 2 + self._operators.index(kind.operator)] = 1.0
        return found


def _channels(kind: Kind, widths: Floats) -> Floats:
    """The channels that a layer writes: each has a bias, and a scale in int8."""
    axes = sorted({axis for one in kind.written for axis in one.axes})
    if not kind.matrices:
        return np.zeros(len(widths))
    return np.asarray(widths[:, axes].sum(axis=1))


class Memory:
    """The peak memory of a process above its runtime's import, in MB (1e6 bytes)."""

    def __init__(self, model: Model, precision: Precision, measured: Sequence[Peak]) -> None:
        """Fits to whole models of these sites whose peaks were measured, at least one."""
        self._model = model
        self._by_name = {site.name: site for site in model.sites}
        self._element = _ELEMENT[precision]
        rows = np.array([self._row(present) for present, _ in measured])
        peaks = np.array([peak for _, peak in measured])
        self._weights, self._activations, self.constant = _near_usual(rows, peaks)

    def of(self, present: Mapping[str, Widths]) -> float:
        """The peak of a model of these sites."""
        weights, activations = self._row(present)
        told = self.constant + self._weights * weights + self._activations * activations
        return float(told)

    def charges(self, most: float, legal: Legal) -> tuple[Charge, ...]:
        """One charge for every moment that can be the peak: each must stay below the limit."""
        stored = terms(self._model.sites, legal, self._stored)
        moments = dict.fromkeys(self._model.moments)
        sets = [set(one) for one in moments]
        largest = [one for one in sets if not any(one < other for other in sets)]
        return tuple(
            Charge("peak_memory_mb", most, self.constant, (*stored, *self._alive(one, legal)))
            for one in largest
        ) or (Charge("peak_memory_mb", most, self.constant, stored),)

    def _alive(self, names: set[str], legal: Legal) -> tuple[Term, ...]:
        sites = [site for site in self._model.sites if site.name in names]
        return terms(sites, legal, self._written)

    def _stored(self, site: Site, widths: Floats) -> Floats:
        kind = self._model.kinds[site.kind]
        elements = extents_at(kind.matrices, widths)
        return np.asarray(self._weights * elements * self._element / 1e6)

    def _written(self, site: Site, widths: Floats) -> Floats:
        kind = self._model.kinds[site.kind]
        written = extents_at(kind.written, widths)
        return np.asarray(self._activations * written * self._element / 1e6)

    def _row(self, present: Mapping[str, Widths]) -> tuple[float, float]:
        """The megabytes of the weights, and of the activations at their peak."""
        stored, written = 0.0, dict[str, float]()
        for name, widths in present.items():
            kind = self._model.kinds[self._by_name[name].kind]
            at = np.array([widths], np.float64).reshape(1, -1)
            stored += float(extents_at(kind.matrices, at)[0])
            written[name] = float(extents_at(kind.written, at)[0])
        alive = [sum(written.get(name, 0.0) for name in one) for one in self._model.moments]
        return stored * self._element / 1e6, max(alive, default=0.0) * self._element / 1e6


def memory_of(table: CostTable) -> Memory | str:
    """The memory of a table's models, or why it is not known."""
    measured = [
        (one.sites, median(one.peak_memory_mb))
        for one in table.probes
        if one.peak_memory_mb and one.role != "window"
    ]
    if measured:
        return Memory(table.model, table.key.precision, measured)
    reasons = [one.memory_reason for one in table.probes if one.memory_reason]
    return reasons[0] if reasons else "no model's memory was measured"


def _near_usual(rows: Floats, peaks: Floats) -> tuple[float, float, float]:
    """The factors of weights and of activations and a constant, none of them negative, by relative
    error; one model is enough for the constant."""
    weighted = np.column_stack([rows, np.ones(len(rows))]) / peaks[:, None]
    prior = np.eye(2, 3) * (_REPEAT / _STRAY)
    wanted = np.concatenate([np.ones(len(rows)), prior @ np.array([*_USUAL, 0.0])])
    found, _ = nnls(np.concatenate([weighted, prior]), wanted)
    weights, activations, constant = found.tolist()
    return weights, activations, constant


def _non_negative(rows: Floats, values: Floats) -> Floats:
    """Coefficients of the columns and a constant, none of them negative, by relative error."""
    weighted = np.column_stack([rows, np.ones(len(rows))]) / values[:, None]
    scale = np.maximum(weighted.max(axis=0), np.finfo(float).tiny)
    ridge = _RIDGE * np.eye(weighted.shape[1])
    wanted = np.concatenate([np.ones(len(rows)), np.zeros(weighted.shape[1])])
    found, _ = nnls(np.concatenate([weighted / scale, ridge]), wanted)
    return np.asarray(found / scale)
