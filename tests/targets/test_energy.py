"""Energy of known joules: the method, its validity, and what must not be judged."""

from dataclasses import asdict, replace

import pytest

from targets.energy import (
    EnergyRound,
    energy_conditions,
    energy_from_json,
    energy_mj,
    invalid_reason,
    missing_reason,
)
from targets.errors import ArtifactError

SECOND = 1_000_000_000


def steady(watts: float, seconds: int = 30, begin: int = 0, noise: float = 0.01):
    """Ten readings a second around a power."""
    count = 10 * seconds + 1
    return tuple((begin + i * SECOND // 10, watts + noise * (-1) ** i) for i in range(count))


def counted(watts: float, seconds: int = 30, begin: float = 0.0):
    """A counter's readings, with the jitter of its steps."""
    return tuple(
        (i * SECOND // 10, begin + watts * i / 10 + 0.001 * (i % 2))
        for i in range(10 * seconds + 1)
    )


# 2 W idle, 5 W under load, 30 s, 10,000 inferences: 15 mJ gross and 9 mJ net.
ROUND = EnergyRound("a sensor", "W", steady(2.0), steady(5.0), steady(2.0), 10_000)
COUNTER = replace(ROUND, unit="J", idle_before=counted(2), load=counted(5), idle_after=counted(2))


@pytest.mark.parametrize("one", [ROUND, COUNTER])
def test_known_joules(one: EnergyRound) -> None:
    # The last reading of either trace is off by its noise: 0.01 W, 0.001 J of 150 J.
    assert one.gross_mj() == pytest.approx(15.0, rel=1e-3)
    assert one.net_mj() == pytest.approx(9.0, rel=1e-3)
    assert one.power_w() == pytest.approx(5.0, rel=1e-3)
    assert one.idle_change() == pytest.approx(0.0, abs=1e-3)
    assert one.net_deviations() > 3
    assert invalid_reason([one] * 5) is None


def test_idle_is_weighed_by_its_length() -> None:
    one = replace(ROUND, idle_before=steady(2.0, 10), idle_after=steady(2.06, 20))
    assert one.net_mj() == pytest.approx((5 - 2.04) * 30 / 10, rel=1e-3)


def test_the_median_of_five_is_told() -> None:
    rounds = [replace(ROUND, inferences=count) for count in (9000, 10_000, 10_000, 10_000, 30_000)]
    assert energy_mj(rounds) == pytest.approx(9.0, rel=1e-3)
    assert energy_conditions(rounds) == {
        "energy_sensor": "a sensor",
        "energy_gross_mj": "15",
        "power_w": "5",
        "idle_power_w": "2",
    }


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (replace(ROUND, idle_after=steady(2.2)), "idle power changes by 10.0%; allowed 5%"),
        (replace(ROUND, load=steady(2.02)), "deviations of idle power above it; at least 3"),
        (replace(ROUND, load=steady(1.0)), "power under load is -"),
        (replace(ROUND, inferences=0), "no inference ran"),
        (replace(ROUND, load=steady(5.0)[:2]), "only 2 readings under load"),
        (replace(ROUND, load=((0, 5.0), (2, 5.1), (1, 5.0))), "clock went backwards"),
        (replace(ROUND, idle_before=((0, 2.0), (1, float("nan")), (2, 2.0))), "no finite number"),
        (
            replace(COUNTER, load=((0, 9.0), (1, 9.5), (2, 0.5), (3, 1.0))),
            "the counter falls from 9.5 to 0.5 J under load",
        ),
        (
            EnergyRound("s", "W", *[steady(3.0, noise=0.0)] * 3, inferences=9),
            "s is stuck: all 903 readings are 3",
        ),
    ],
)
def test_what_is_invalid(one: EnergyRound, told: str) -> None:
    assert told in str(invalid_reason([one] * 5))
    assert str(energy_mj([one] * 5)).startswith("unavailable: ")
    assert energy_conditions([one] * 5) == {}


def test_one_disturbed_round_of_five_is_borne() -> None:
    assert invalid_reason([replace(ROUND, idle_after=steady(3.0)), *[ROUND] * 4]) is None


def test_no_readings_have_a_reason() -> None:
    assert "no limit asked" in str(missing_reason([]))
    assert missing_reason([ROUND, EnergyRound(reason="no sensor")]) == "no sensor"
    assert energy_mj([EnergyRound(reason="no sensor")]) == "unavailable: no sensor"


def test_a_round_survives_json() -> None:
    assert energy_from_json(asdict(ROUND)) == ROUND


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "V"},
        {"inferences": 1.5},
        {"inferences": 10**400},
        {"load": [[1]]},
        {"load": [["a", 1]]},
        {"load": [[float("inf"), 1]]},
        {"load": [[10**400, 1]]},
        {"load": [[1, 10**400]]},
        {"load": None},
        {"sensor": 5},
        {"reason": 5},
        {"more": 1},
    ],
)
def test_a_malformed_round_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ArtifactError):
        energy_from_json({**asdict(ROUND), **change})
