"""Times several sessions of one process in turns, so that whatever disturbs one disturbs all.

Travels to devices: stdlib and numpy only, Python 3.9 syntax.
"""

import gc
import random
import time
from typing import Callable, Dict, List, Sequence

import numpy as np

from targets.agent.timing import credible, reference_ns, warm_up
from targets.measurement import TimingRule

Invoke = Callable[[List[np.ndarray]], List[np.ndarray]]

SETTLING = 2
"""Inferences at the start of a turn that are not counted: they find the caches another's."""

_clock = time.perf_counter_ns


class Timed:
    """One session and what is measured of it."""

    def __init__(self, invoke: Invoke, raw: List[np.ndarray]) -> None:
        self._invoke = invoke
        self._raw = raw
        self.first_ns = self.once()
        self.warmup_iterations = 0
        self.samples: List[int] = []

    def once(self) -> int:
        """The time of one inference."""
        start = _clock()
        self._invoke(self._raw)
        return _clock() - start

    def turn(self, least: int, least_ns: float, most_ns: float) -> None:
        """Samples until there are enough of them and enough time has gone by, or too much."""
        for _ in range(SETTLING):
            self.once()
        begin, count = _clock(), 0
        while True:
            self.samples.append(self.once())
            count += 1
            spent = _clock() - begin
            if spent >= most_ns or (count >= least and spent >= least_ns):
                return


def time_in_turns(
    sessions: Sequence[Timed], rule: TimingRule, rounds: int, seed: int
) -> List[Dict[str, object]]:
    """The times of every session, in the terms of ProcessSamples, without its load time.

    All are warmed up first. Each round gives every session one turn, in an order drawn anew; the
    rule's samples and seconds are those of all rounds together.
    """
    gc.collect()
    gc.disable()
    reference = reference_ns()
    for timed in sessions:
        timed.warmup_iterations = warm_up(timed.once, rule)
    order, draw = list(sessions), random.Random(seed)
    least = -(-rule.min_samples // rounds)
    for _ in range(rounds):
        draw.shuffle(order)
        for timed in order:
            timed.turn(least, rule.min_seconds / rounds * 1e9, rule.max_seconds / rounds * 1e9)
    after = reference_ns()
    return [
        {
            "latency_ns": credible(timed.samples),
            "first_inference_ns": timed.first_ns,
            "reference_ns_before": reference,
            "reference_ns_after": after,
            "warmup_iterations": timed.warmup_iterations,
        }
        for timed in sessions
    ]
