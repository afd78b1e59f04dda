"""When samples must not be judged, since the device was disturbed while they were taken. Pure.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

import statistics
from typing import Optional, Protocol, Sequence

LARGEST_DRIFT = 0.05
LARGEST_REFERENCE_CHANGE = 0.10
LARGEST_WAITING_SHARE = 0.10
THROTTLED = "throttled: "
"""How the condition "throttling" begins where the device was held back."""


class Disturbed(Protocol):
    """What a process tells of its disturbances; targets.measurement.ProcessSamples says what."""

    @property
    def waiting_share(self) -> Optional[float]:
        """The share of its time that it waited for a core; None: not told."""

    def drift(self) -> float:
        """Its last third against its first."""

    def reference_change(self) -> float:
        """The reference kernel afterwards against before."""

    def throttling(self) -> Optional[str]:
        """What held the clock down."""


def disturbance(processes: Sequence[Disturbed]) -> Optional[str]:
    """Why the samples of these processes must not be judged, or None.

    The median over processes of drift, of the reference kernel's change and of waiting for a core:
    one disturbed process moves none, and a machine that slows down under load moves all. A device
    that held its clock down in any process spoils all.
    """
    held = [told for told in (each.throttling() for each in processes) if told]
    if held or not processes:
        return held[0] if held else None
    drift = statistics.median(each.drift() for each in processes)
    change = statistics.median(each.reference_change() for each in processes)
    waiting = statistics.median(each.waiting_share or 0.0 for each in processes)
    return (
        _too_far("latency drifts by", drift, LARGEST_DRIFT)
        or _too_far("the reference kernel changes by", change, LARGEST_REFERENCE_CHANGE)
        or _too_long(waiting)
    )


def _too_far(what: str, change: float, largest: float) -> Optional[str]:
    if abs(change) <= largest:
        return None
    return f"{what} {change:+.1%} (median over processes); allowed ±{largest:.0%}"


def _too_long(waiting: float) -> Optional[str]:
    if waiting <= LARGEST_WAITING_SHARE:
        return None
    return (
        f"a process waits for a core {waiting:.0%} of its time (median over processes); allowed "
        f"{LARGEST_WAITING_SHARE:.0%}: let less else run"
    )
