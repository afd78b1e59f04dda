"""What a sitting tells of each limit: samples per process, or why there are none. Pure."""

from collections.abc import Callable

from targets import energy
from targets.artifact import Artifact
from targets.budget import Observation
from targets.energy import EnergyRound
from targets.limit import LATENCY_LIMITS
from targets.measurement import NOTHING_RAN, Measurement


def observe(measurement: Measurement, artifact: Artifact) -> dict[str, Observation]:
    """What a sitting tells of every limit that it can tell of."""
    return {
        **{name: _latency(measurement, at) for name, at in LATENCY_LIMITS.items()},
        "peak_memory_mb": _memory(measurement),
        # A fact of the file, the same wherever it is.
        "size_kb": Observation(value=artifact.size_bytes / 1000),
        "energy_mj": _energy(measurement, EnergyRound.net_mj),
        "power_w": _energy(measurement, EnergyRound.power_w),
    }


def _memory(measurement: Measurement) -> Observation:
    peaks = measurement.peak_memory_mb()
    read = len(peaks) == len(measurement.memory) > 0
    reason = measurement.memory_reason() if measurement.processes else NOTHING_RAN
    return Observation(
        samples=tuple((peak,) for peak in peaks),
        provenance=measurement.provenance,
        missing_reason=None if read else reason,
    )


def _energy(measurement: Measurement, of: Callable[[EnergyRound], float]) -> Observation:
    missing, fault = energy.missing_reason(measurement.energy), None
    if not measurement.processes:
        missing = NOTHING_RAN
    if missing is None:
        fault = energy.invalid_reason(measurement.energy)
    usable = missing is None and fault is None
    return Observation(
        samples=tuple((of(each),) for each in measurement.energy) if usable else (),
        provenance=measurement.provenance,
        invalid_reason=fault,
        missing_reason=missing,
    )


def _latency(measurement: Measurement, quantile: float) -> Observation:
    return Observation(
        samples=tuple((each,) for each in measurement.latency_ms(quantile)),
        provenance=measurement.provenance,
        invalid_reason=measurement.invalid_reason(),
        missing_reason=measurement.too_few(quantile),
    )
