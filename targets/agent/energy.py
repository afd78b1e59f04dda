"""Reads a power sensor while idle, under load, and idle again.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

import threading
import time
from typing import Callable, Dict, List, Optional, Tuple

from targets.agent.power import Sensor
from targets.errors import EdgesmithError
from targets.measurement import TimingRule

PERIOD_S = 0.1
"""Ten readings a second: RAPL and INA3221 change faster, reading costs the load nothing visible."""

_clock = time.perf_counter_ns
Readings = List[Tuple[int, float]]


def energy_round(
    sensor: Sensor, invoke: Callable[[], object], rule: TimingRule
) -> Dict[str, object]:
    """One round in the terms of EnergyRound, of `rule.energy_idle_s` and `rule.energy_load_s`.

    Raises EnvironmentFault where the sensor stops being readable.
    """
    before = _idle(sensor, rule.energy_idle_s)
    load, inferences = _loaded(sensor, invoke, rule.energy_load_s)
    after = _idle(sensor, rule.energy_idle_s)
    return {
        "sensor": sensor.name,
        "unit": sensor.unit,
        "idle_before": before,
        "load": load,
        "idle_after": after,
        "inferences": inferences,
        "reason": None,
    }


def _idle(sensor: Sensor, seconds: float) -> Readings:
    reader = _Reader(sensor)
    reader.start()
    time.sleep(seconds)
    return reader.stop()


def _loaded(sensor: Sensor, invoke: Callable[[], object], seconds: float) -> Tuple[Readings, int]:
    reader, count = _Reader(sensor), 0
    reader.start()
    end = _clock() + int(seconds * 1e9)
    while _clock() < end and not reader.failed:
        invoke()
        count += 1
    return reader.stop(), count


class _Reader:
    """Reads in a thread of its own; the first and last readings at start and stop themselves."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._readings: Readings = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._error: Optional[EdgesmithError] = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    def start(self) -> None:
        self._take()
        self._thread.start()

    def stop(self) -> Readings:
        self._stopped.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._take()
        return self._readings

    def _follow(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            try:
                self._take()
            except EdgesmithError as error:  # handed to the thread that asks
                self._error = error
                return

    def _take(self) -> None:
        value = self._sensor.read()
        self._readings.append((_clock(), value))
