"""A measurement: the raw samples of one artifact, how they were taken and what they say.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from targets.disturbance import THROTTLED, disturbance
from targets.energy import EnergyRound, energy_mj

PROVENANCES = ("measured-on-device", "measured-host", "emulated", "modelled")
QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
ROLES = ("computes", "converts", "transposes", "moves", "partition")
"""What an operator does: arithmetic; a change of type; a change of layout; any other change of
place or shape; or standing for all the operators that a delegate runs as one."""
NOTHING_RAN = "no process ran"
_ROUNDING = 1e-9  # five of five keep 1/32 exactly


@dataclass(frozen=True)
class TimingRule:
    """How a sitting is measured. Durations in seconds, counts per process.

    `level` is the largest chance that an artifact at a limit passes this sitting, `retry_level`
    that of the sitting after an undecided one; targets/sign_test.py says what they ask for.
    Warm-up follows AndroidX's WarmupManager: a fast and a slow moving average within
    `warmup_tolerance` of each other for `warmup_stable_iterations`.
    """

    processes: int = 5
    retry_processes: int = 23
    level: float = 0.03125
    retry_level: float = 0.00625
    memory_processes: int = 5
    comparison_rounds: int = 8  # two more than 95 % confidence needs, as one process may be unlucky
    min_samples: int = 100
    min_seconds: float = 1.0
    max_seconds: float = 60.0
    warmup_min_iterations: int = 30
    warmup_min_s: float = 0.25
    warmup_max_s: float = 8.0
    warmup_fast: float = 0.1
    warmup_slow: float = 0.005
    warmup_tolerance: float = 0.04
    warmup_stable_iterations: int = 40
    cool_down_s: float = 5.0
    cool_down_max_s: float = 300.0  # for a device that holds its clock down
    attempts: int = 3
    energy_rounds: int = 0  # as many as a limit on energy or power asks for
    energy_idle_s: float = 30.0
    energy_load_s: float = 30.0

    @classmethod
    def quick(cls) -> "TimingRule":
        """A cheap rule for searching and for tests. Its verdicts are too weak to report."""
        return cls(
            processes=2,
            retry_processes=2,
            memory_processes=1,
            comparison_rounds=2,
            min_samples=30,
            min_seconds=0.2,
            max_seconds=5.0,
            warmup_min_s=0.05,
            warmup_max_s=0.5,
            cool_down_s=0.0,
            cool_down_max_s=0.0,
        )

    def covering(self, quantile: float) -> "TimingRule":
        """The same rule with samples enough to judge this quantile (p99 asks for 300)."""
        return replace(self, min_samples=max(self.min_samples, least_samples(quantile) + 1))

    def retried(self) -> "TimingRule":
        """The rule of the repetition that follows an INCONCLUSIVE sitting."""
        count = self.retry_processes
        return replace(
            self,
            processes=count,
            memory_processes=max(self.memory_processes, count),
            level=self.retry_level,
            energy_rounds=fewest(self.retry_level) if self.energy_rounds else 0,
        )

    def metering(self) -> "TimingRule":
        """The same rule with as few rounds of energy as keep its level: each takes minutes."""
        return replace(self, energy_rounds=fewest(self.level))


@dataclass(frozen=True)
class ExecutedOp:
    """One operator as the runtime really executes it.

    Attributes:
        name: what the runtime calls it.
        type: its kind, in the runtime's own word.
        dtype: of the data that it computes on, in numpy's terms ("int8").
        role: one of ROLES.
        macs: its multiply-accumulates; None where nobody can tell.
        partition: the number of the delegate's partition that runs it; None where none does.
    """

    name: str
    type: str
    dtype: str
    role: str = "computes"
    macs: Optional[int] = 0
    partition: Optional[int] = None


@dataclass(frozen=True)
class ProcessSamples:
    """What one fresh process measured. `load_ns` is file to ready; all times in nanoseconds.

    `waiting_share` is the share of its time that it was ready and had no core; None: not told.
    """

    latency_ns: Tuple[int, ...]
    load_ns: int
    first_inference_ns: int
    reference_ns_before: int
    reference_ns_after: int
    warmup_iterations: int
    conditions: Mapping[str, str] = field(default_factory=dict)
    waiting_share: Optional[float] = None

    def drift(self) -> float:
        """Last third's median against the first third's: 0.05 is 5 % slower at the end."""
        third = max(1, len(self.latency_ns) // 3)
        first, last = self.latency_ns[:third], self.latency_ns[-third:]
        return median(last) / median(first) - 1.0

    def reference_change(self) -> float:
        """The reference kernel after the samples against before them."""
        return self.reference_ns_after / self.reference_ns_before - 1.0

    def throttling(self) -> Optional[str]:
        """What held the device's clock down meanwhile, or None."""
        told = self.conditions.get("throttling", "")
        return told if told.startswith(THROTTLED) else None


@dataclass(frozen=True)
class MemoryPhases:
    """Peak resident bytes of each phase of one process, the peak being reset between them.

    `import_bytes` is what is resident once the runtime is imported. A phase that could not be
    read is None and `reason` says why. `pss_bytes` is the proportional share after inference,
    `cgroup_peak_bytes` the control group's peak; neither is judged, None where it can't be read.
    """

    import_bytes: Optional[int] = None
    load_bytes: Optional[int] = None
    prepare_bytes: Optional[int] = None
    infer_bytes: Optional[int] = None
    reason: Optional[str] = None
    pss_bytes: Optional[int] = None
    cgroup_peak_bytes: Optional[int] = None

    def above_import_bytes(self) -> Optional[int]:
        """The inference phase's peak above the process after its imports."""
        if self.infer_bytes is None or self.import_bytes is None:
            return None
        return self.infer_bytes - self.import_bytes


@dataclass(frozen=True)
class Measurement:
    """All samples of one artifact in one sitting. Made in targets.trial, read everywhere."""

    artifact_sha256: str
    runtime: str
    processes: Tuple[ProcessSamples, ...]
    memory: Tuple[MemoryPhases, ...]
    provenance: str
    conditions: Mapping[str, str] = field(default_factory=dict)
    energy: Tuple[EnergyRound, ...] = ()

    def latency_ms(self, quantile: float) -> List[float]:
        """Each process's own quantile in milliseconds."""
        return [order_statistic(each.latency_ns, quantile) / 1e6 for each in self.processes]

    def peak_memory_mb(self) -> List[float]:
        """Each memory process's peak in MB (1e6 bytes); empty where it could not be read."""
        peaks = [each.above_import_bytes() for each in self.memory]
        return [peak / 1e6 for peak in peaks if peak is not None]

    def memory_reason(self) -> str:
        """Why there is no peak memory."""
        reasons = [each.reason for each in self.memory if each.reason]
        return reasons[0] if reasons else "not measured"

    def invalid_reason(self) -> Optional[str]:
        """Why these samples must not be judged, or None."""
        return disturbance(self.processes)

    def too_few(self, quantile: float) -> Optional[str]:
        """Why there are too few samples for a quantile, or None."""
        if not self.processes:
            return NOTHING_RAN
        least = least_samples(quantile)
        found = min((len(each.latency_ns) for each in self.processes), default=0)
        if found >= least:
            return None
        return f"{found} samples per process; p{quantile * 100:g} needs {least}"

    def summary(self) -> Dict[str, object]:
        """The report's `measurement` dictionary; what is missing is "unavailable: reason"."""
        return {
            "latency_ms": {name: self._quantile(at) for name, at in QUANTILES.items()},
            "peak_memory_mb": _median_or(self.peak_memory_mb(), self.memory_reason()),
            "load_ms": self._time(lambda each: each.load_ns),
            "first_inference_ms": self._time(lambda each: each.first_inference_ns),
            "energy_mj": energy_mj(self.energy),
            "provenance": self.provenance,
            "conditions": dict(self.conditions),
        }

    def _quantile(self, quantile: float) -> Union[float, str]:
        few = self.too_few(quantile)
        return unavailable(few) if few else median(self.latency_ms(quantile))

    def _time(self, of: Callable[[ProcessSamples], int]) -> Union[float, str]:
        return _median_or([of(each) / 1e6 for each in self.processes], "not measured")

    def to_json(self) -> Dict[str, object]:
        """A JSON-able dictionary with every raw sample; targets.samples reads it back."""
        return asdict(self)


def fewest(level: float) -> int:
    """The fewest processes, or rounds, that keep the level, all agreeing."""
    return max(1, math.ceil(-math.log2(level) - _ROUNDING))


def least_samples(quantile: float) -> int:
    """Samples needed so that their maximum bounds the quantile at 95 %: p50 5, p95 59, p99 299."""
    return math.ceil(math.log(0.05) / math.log(quantile))


def order_statistic(values: Sequence[float], quantile: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(quantile * len(ordered) - 1e-9) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def unavailable(reason: str) -> str:
    """How a reading that does not exist is written; never 0."""
    return f"unavailable: {reason}"


def _median_or(values: Sequence[float], reason: str) -> Union[float, str]:
    return median(values) if values else unavailable(reason)
