"""Sessions take turns in orders that a seed draws, and each gets its share of samples."""

from collections import Counter

import numpy as np

from targets.agent.fingerprint import fingerprint
from targets.agent.turns import SETTLING, Timed, time_in_turns
from targets.measurement import TimingRule
from targets.samples import process_from_json

RULE = TimingRule(
    min_samples=20, min_seconds=0.0, max_seconds=1.0, warmup_min_iterations=3, warmup_min_s=0.0,
    warmup_max_s=0.0, warmup_stable_iterations=1,
)  # fmt: skip


def timed(calls: list[str], name: str) -> Timed:
    def invoke(raw: list[np.ndarray]) -> list[np.ndarray]:
        calls.append(name)
        return raw

    return Timed(invoke, [np.zeros(1)])


def run(seed: int) -> tuple[list[str], list[dict[str, object]]]:
    calls: list[str] = []
    sessions = [timed(calls, name) for name in "abc"]
    before = len(calls)
    found = time_in_turns(sessions, RULE, rounds=5, seed=seed)
    return calls[before:], found


def test_all_get_as_many_samples_as_the_rule_asks() -> None:
    calls, found = run(0)
    for one in found:
        samples = process_from_json({**one, "load_ns": 1, "conditions": {}})
        assert len(samples.latency_ns) == 20
    assert len(set(Counter(calls).values())) == 1


def test_rounds_are_in_orders_that_the_seed_draws() -> None:
    one, _ = run(1)
    again, _ = run(1)
    other, _ = run(2)
    assert one == again
    assert one != other
    turn = 20 // 5 + SETTLING
    assert one[-turn:] == [one[-1]] * turn


def test_a_device_is_told_by_what_lasts() -> None:
    first = fingerprint()
    assert first == fingerprint()
    assert {"cpu", "arch", "cores", "instructions", "kernel", "governor"} <= set(first)
    assert "load_average" not in first
    assert all(first.values())
