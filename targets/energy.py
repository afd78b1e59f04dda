"""Energy per inference from what a sensor read while idle, under load, and idle again. Pure.

Travels to devices: stdlib only, Python 3.9 syntax.

The method is idle-load-idle: what the device draws while idle is measured on both sides of the load
and taken off. Gross is all that is drawn under load, per inference; net is what an inference adds.
"""

import math
import statistics
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from targets.errors import ArtifactError

LARGEST_IDLE_CHANGE = 0.05
LEAST_NET_DEVIATIONS = 3.0
_LEAST_READINGS = 3
LARGEST = 2**63 - 1
"""Of a whole number from outside: what 64 bits hold."""

Reading = Tuple[int, float]
"""Nanoseconds, and watts or joules."""
Trace = Tuple[Reading, ...]


@dataclass(frozen=True)
class EnergyRound:
    """What one fresh process read: idle, under load, idle again.

    Attributes:
        sensor: the sensor's name and what it covers.
        unit: "W" for readings of power, "J" for those of a counter that only rises.
        idle_before: readings while nothing runs.
        load: readings during `inferences`; the first and last are taken at its very ends.
        idle_after: as idle_before.
        inferences: how many ran.
        reason: why there are no readings.
    """

    sensor: str = ""
    unit: str = "W"
    idle_before: Trace = ()
    load: Trace = ()
    idle_after: Trace = ()
    inferences: int = 0
    reason: Optional[str] = None

    def gross_mj(self) -> float:
        """All energy under load, per inference, in mJ."""
        return 1e3 * self._joules(self.load) / self.inferences

    def net_mj(self) -> float:
        """The energy above idle, per inference, in mJ."""
        above = self._joules(self.load) - self.idle_w() * _seconds(self.load)
        return 1e3 * above / self.inferences

    def power_w(self) -> float:
        """The mean power under load in W."""
        return self._watts(self.load)

    def idle_change(self) -> float:
        """The second idle mean against the first: 0.05 is 5 % more afterwards."""
        before = self._watts(self.idle_before)
        return self._watts(self.idle_after) / before - 1 if before else math.inf

    def net_deviations(self) -> float:
        """Net power in standard deviations of the idle power's readings; infinite for none."""
        powers = [*self._powers(self.idle_before), *self._powers(self.idle_after)]
        mean = math.fsum(powers) / len(powers)
        spread = math.sqrt(math.fsum((one - mean) ** 2 for one in powers) / (len(powers) - 1))
        net = self.power_w() - self.idle_w()
        return net / spread if spread else math.copysign(math.inf, net)

    def fault(self) -> Optional[str]:
        """Why the readings are none that a sensor at work gives, or None."""
        for name, trace in self._traces().items():
            told = _fault(trace) or (self.unit == "J" and _fall(trace))
            if told:
                return f"{self.sensor}: {told} {name}"
        if self.inferences < 1:
            return "no inference ran under load"
        return self._stuck()

    def _stuck(self) -> Optional[str]:
        readings = [value for trace in self._traces().values() for _, value in trace]
        if len(set(readings)) > 1:
            return None
        return f"{self.sensor} is stuck: all {len(readings)} readings are {readings[0]:g}"

    def _traces(self) -> Dict[str, Trace]:
        return {
            "before the load": self.idle_before,
            "under load": self.load,
            "after the load": self.idle_after,
        }

    def idle_w(self) -> float:
        """The mean power of both idle phases, each by its length."""
        idle = (self.idle_before, self.idle_after)
        return math.fsum(map(self._joules, idle)) / math.fsum(map(_seconds, idle))

    def _watts(self, trace: Trace) -> float:
        return self._joules(trace) / _seconds(trace)

    def _joules(self, trace: Trace) -> float:
        return _risen(trace) if self.unit == "J" else _integral(trace)

    def _powers(self, trace: Trace) -> List[float]:
        if self.unit == "W":
            return [value for _, value in trace]
        return [(b[1] - a[1]) / ((b[0] - a[0]) / 1e9) for a, b in _pairs(trace)]


def missing_reason(rounds: Sequence[EnergyRound]) -> Optional[str]:
    """Why there are no readings, or None."""
    if not rounds:
        return "no limit asked for it"
    return next((each.reason for each in rounds if each.reason), None)


def energy_mj(rounds: Sequence[EnergyRound]) -> Union[float, str]:
    """The net energy of an inference, the median over rounds; or "unavailable: reason"."""
    reason = missing_reason(rounds) or invalid_reason(rounds)
    if reason:
        return f"unavailable: {reason}"
    return statistics.median(each.net_mj() for each in rounds)


def energy_conditions(rounds: Sequence[EnergyRound]) -> Dict[str, str]:
    """What read the energy, and what else it read, medians over rounds; empty where none did."""
    if missing_reason(rounds) or invalid_reason(rounds):
        return {}
    gross = statistics.median(each.gross_mj() for each in rounds)
    power = statistics.median(each.power_w() for each in rounds)
    idle = statistics.median(each.idle_w() for each in rounds)
    return {
        "energy_sensor": rounds[0].sensor,
        "energy_gross_mj": f"{gross:.4g}",
        "power_w": f"{power:.4g}",
        "idle_power_w": f"{idle:.4g}",
    }


def invalid_reason(rounds: Sequence[EnergyRound]) -> Optional[str]:
    """Why these rounds must not be judged, or None: by the median, as one disturbed round may be.

    A sensor that is stuck, or time that runs backwards, in any round spoils all.
    """
    faults = [fault for fault in (each.fault() for each in rounds) if fault]
    if faults or not rounds:
        return faults[0] if faults else None
    changes = sorted(abs(each.idle_change()) for each in rounds)
    change = changes[len(changes) // 2]
    if change > LARGEST_IDLE_CHANGE:
        return f"idle power changes by {change:.1%}; allowed {LARGEST_IDLE_CHANGE:.0%}"
    found = sorted(each.net_deviations() for each in rounds)
    net = found[(len(found) - 1) // 2]
    if net < LEAST_NET_DEVIATIONS:
        return (
            f"power under load is {net:.1f} deviations of idle power above it; at least "
            f"{LEAST_NET_DEVIATIONS:g} are needed: let less else run"
        )
    return None


def energy_from_json(document: Mapping[str, Any]) -> EnergyRound:
    """One round, as the agent or a samples file tells it.

    Raises ArtifactError where a key or a reading is wrong.
    """
    known = {each.name for each in fields(EnergyRound)}
    if not isinstance(document, Mapping) or known != set(document):
        raise ArtifactError(f"energy: expected the keys {', '.join(sorted(known))}")
    values = dict(document)
    try:
        for name in ("idle_before", "load", "idle_after"):
            values[name] = tuple((_time(when), float(value)) for when, value in values[name])
    except (TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(f"energy: readings must be pairs of numbers: {error}") from error
    if values["unit"] not in ("W", "J") or not is_count(values["inferences"]):
        raise ArtifactError("energy: unit must be W or J, and inferences a whole number")
    if type(values["sensor"]) is not str or not isinstance(values["reason"], (str, type(None))):
        raise ArtifactError("energy: sensor must be text, and reason text or null")
    return EnergyRound(**values)


def _time(when: Union[int, float]) -> int:
    if abs(when) > LARGEST:
        raise OverflowError(f"a time of {when:g} ns")
    return int(when)


def is_count(value: object) -> bool:
    """Whether a value from outside is a whole number from 0 to LARGEST."""
    return type(value) is int and 0 <= value <= LARGEST


def _fault(trace: Trace) -> Optional[str]:
    if len(trace) < _LEAST_READINGS:
        return f"only {len(trace)} readings"
    if any(not math.isfinite(value) for _, value in trace):
        return "a reading that is no finite number"
    if any(after <= before for (before, _), (after, _) in _pairs(trace)):
        return "the clock went backwards between readings"
    return None


def _fall(trace: Trace) -> Optional[str]:
    """A counter that wraps is followed past its end where it is read; one that is reset is not."""
    falls = ((a[1], b[1]) for a, b in _pairs(trace) if b[1] < a[1])
    return next((f"the counter falls from {a:g} to {b:g} J" for a, b in falls), None)


def _seconds(trace: Trace) -> float:
    return (trace[-1][0] - trace[0][0]) / 1e9


def _risen(trace: Trace) -> float:
    return trace[-1][1] - trace[0][1]


def _integral(trace: Trace) -> float:
    """By trapezoids."""
    return math.fsum((b[0] - a[0]) / 1e9 * (a[1] + b[1]) / 2 for a, b in _pairs(trace))


def _pairs(trace: Trace) -> List[Tuple[Reading, Reading]]:
    return [(trace[i - 1], trace[i]) for i in range(1, len(trace))]
