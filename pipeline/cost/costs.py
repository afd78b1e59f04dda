"""What a table says of models that were not measured: predictions, and charges for a planner."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.cost.additive import Additive, Sample
from pipeline.cost.charging import SiteCost, terms
from pipeline.cost.footprint import Memory, Size, memory_of
from pipeline.cost.sites import Widths
from pipeline.cost.table import CostTable, Probe
from pipeline.prune.limits import Charge, Legal, Term
from targets.errors import UsageError
from targets.limit import LATENCY_LIMITS
from targets.measurement import median, order_statistic, unavailable

LEAST_ERROR = 0.003  # no clock and no machine repeats better than that
_BOUNDS = (0.05, 0.10)
NO_METER = "no energy meter is attached"


class Prediction(NamedTuple):
    """What a model of these sites would cost.

    `latency_ms` is by quantile, `p50` first; what no probe tells is "unavailable: why".
    """

    latency_ms: Mapping[str, float]
    size_kb: float
    peak_memory_mb: float | str
    energy_mj: str


class OwnError(NamedTuple):
    """Whole models that the fit never saw, predicted against measured.

    `rows` are (name, predicted, measured) in ms; `median`, `p90` and `largest` are relative errors;
    `repeat` is the machine's own: the p90 difference of one artifact's processes; `within` is the
    share of the models within ±(5 % + repeat), and within ±(10 % + repeat).
    """

    rows: tuple[tuple[str, float, float], ...]
    median: float
    p90: float
    largest: float
    repeat: float
    within: tuple[float, float]


class Costs:
    """A table, fitted. Every question takes milliseconds."""

    def __init__(self, table: CostTable) -> None:
        """Fits latency, size and memory to all that was measured."""
        self.table = table
        self._kinds = {site.name: site.kind for site in table.model.sites}
        self.latency = Additive(table.model.kinds, [self._sample(one) for one in table.measured()])
        self.size = Size(table)
        self.memory = memory_of(table)

    # ---------------------------------------------------------------- predicting
    def predict(self, present: Mapping[str, Widths]) -> Prediction:
        """The cost of a model with these sites, as `Model.present` or `Reading.present` tell."""
        p50 = self.latency.total(self._sites(present))
        ratios = {name: self.ratio(name) for name in ("p90", "p95", "p99")}
        known = {name: p50 * one for name, one in ratios.items() if one is not None}
        return Prediction(
            latency_ms={"p50": p50, **known},
            size_kb=self.size.of(present) / 1000,
            peak_memory_mb=self._peak(present),
            energy_mj=unavailable(NO_METER),
        )

    def _peak(self, present: Mapping[str, Widths]) -> float | str:
        known = self.memory
        return known.of(present) if isinstance(known, Memory) else unavailable(known)

    def ratio(self, quantile: str) -> float | None:
        """A quantile over the p50, the median over whole models; None where none has it."""
        found = [
            one.ratios[quantile]
            for probe in self.table.measured()
            if probe.role != "window"
            for one in probe.timings
            if quantile in one.ratios
        ]
        return median(found) if found else None

    # ---------------------------------------------------------------- charging
    def legal(self) -> Legal:
        """The widths worth choosing."""
        return Legal(self.table.legal)

    def charges(self, limits: Mapping[str, float]) -> tuple[Charge, ...]:
        """Each limit of a budget on cost as a planner is charged: one charge, and for memory one
        for every moment that can be the peak.

        Raises UsageError for a limit that this table can't tell.
        """
        return tuple(charge for name, most in limits.items() for charge in self._charge(name, most))

    def _charge(self, name: str, most: float) -> Sequence[Charge]:
        if name in LATENCY_LIMITS:
            ratio = 1.0 if name.endswith(".p50") else self.ratio(name.rpartition(".")[2])
            if ratio is not None:
                terms = self._terms(lambda site, widths: ratio * self.latency.of(site.kind, widths))
                return [Charge(name, most, ratio * self.latency.constant, terms)]
        if name == "size_kb":
            terms = self._terms(lambda site, widths: self.size.site(site, widths) / 1000)
            return [Charge(name, most, self.size.constant / 1000, terms)]
        if name == "peak_memory_mb" and isinstance(self.memory, Memory):
            return self.memory.charges(most, self.legal())
        why = {"peak_memory_mb": self.memory, "energy_mj": NO_METER}.get(name)
        raise UsageError(
            f"limit '{name}' can't be planned by this table of costs: {why or 'not measured'}; "
            "leave the limit out of the budget that is planned for"
        )

    def _terms(self, cost: SiteCost) -> tuple[Term, ...]:
        return terms(self.table.model.sites, self.legal(), cost)

    # ---------------------------------------------------------------- its own error
    def own_error(self) -> OwnError | None:
        """How well a fit to the other probes predicts those that were kept; None without any."""
        kept = [one for one in self.table.measured() if one.role == "unseen"]
        others = [one for one in self.table.measured() if one.role != "unseen"]
        if not kept:
            return None
        blind = Additive(self.table.model.kinds, [self._sample(one) for one in others])
        reference = self.table.reference_ms
        rows = tuple(
            (one.name, blind.total(self._sites(one.sites)), one.latency_ms(reference))
            for one in kept
        )
        errors = [abs(predicted / found - 1) for _, predicted, found in rows]
        repeat = self.repeat()
        within = tuple(sum(e <= bound + repeat for e in errors) / len(errors) for bound in _BOUNDS)
        return OwnError(
            rows, median(errors), order_statistic(errors, 0.9), max(errors), repeat,
            (within[0], within[1]),
        )  # fmt: skip

    def repeat(self) -> float:
        """The p90 relative difference between two processes of one whole artifact."""
        differences = [
            abs(a.p50_ns / a.reference_ns / (b.p50_ns / b.reference_ns) - 1)
            for probe in self.table.measured()
            if probe.role not in ("dense", "window")
            for a, b in zip(probe.timings, probe.timings[1:], strict=False)
        ]
        return order_statistic(differences, 0.9) if differences else LEAST_ERROR

    # ---------------------------------------------------------------- what is fitted
    def _sample(self, probe: Probe) -> Sample:
        value = probe.latency_ms(self.table.reference_ms)
        error = max(LEAST_ERROR, probe.spread())
        return Sample(self._sites(probe.sites), value, error, probe.window)

    def _sites(self, present: Mapping[str, Widths]) -> tuple[tuple[str, Widths], ...]:
        return tuple((self._kinds[name], tuple(widths)) for name, widths in present.items())
