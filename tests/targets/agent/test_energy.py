"""A round of energy: the sensor is read around and under load, and may fail meanwhile."""

from dataclasses import dataclass

import pytest

from targets.agent.energy import energy_round
from targets.energy import energy_from_json
from targets.errors import EnvironmentFault
from targets.measurement import TimingRule

RULE = TimingRule(energy_idle_s=0.25, energy_load_s=0.25)


@dataclass
class Meter:
    """Counts 3 mJ per inference; is unreadable after so many readings."""

    readings: int = 1_000_000
    joules: float = 0.0
    name: str = "meter"
    unit: str = "J"

    def read(self) -> float:
        self.readings -= 1
        if self.readings < 0:
            raise EnvironmentFault("the meter is gone")
        return self.joules

    def infer(self) -> None:
        self.joules += 0.003


def test_a_round_of_known_joules() -> None:
    meter = Meter()
    told = energy_from_json(energy_round(meter, meter.infer, RULE))
    assert told.inferences > 0
    assert told.fault() is None
    # Idle draws nothing, so gross and net are what the meter counts per inference.
    assert told.gross_mj() == pytest.approx(3.0, rel=1e-6)
    assert told.net_mj() == pytest.approx(3.0, rel=1e-6)
    assert len(told.load) >= 3


@pytest.mark.parametrize("readings", [0, 2, 5, 7])
def test_a_meter_that_goes_away_ends_the_round(readings: int) -> None:
    meter = Meter(readings)
    with pytest.raises(EnvironmentFault, match="gone"):
        energy_round(meter, meter.infer, RULE)
