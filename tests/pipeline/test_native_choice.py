"""Of both engines' candidates one is delivered: by verdict, then by time; and nothing is lost."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline.native import better
from pipeline.results import Judged, together
from targets.budget import Verdict


def measured(ms):
    return SimpleNamespace(latency_ms=lambda quantile: (ms, ms, ms))


def judged(status, ms, dense_ms=1.0):
    verdict = Verdict(status=status, lines=())
    trial = SimpleNamespace(dense=measured(dense_ms), candidate=measured(ms), verdict=verdict)
    return Judged(SimpleNamespace(name=f"{status} {ms}", failures={}), {"tflite": trial})


@pytest.mark.parametrize(
    ("unified", "native", "takes_native"),
    [
        (judged("PASS", 0.5), judged("PASS", 0.6), False),
        (judged("PASS", 0.6), judged("PASS", 0.5), True),
        (judged("PASS", 0.6), judged("FAIL", 0.5), False),
        (judged("FAIL", 0.5), judged("PASS", 0.9), True),
        # each sitting has a dense model of its own: half of 1.2 is better than 0.55 of 1.0
        (judged("PASS", 0.6, 1.2), judged("PASS", 0.55), False),
    ],
)
def test_the_better_verdict_then_the_faster(unified, native, takes_native):
    one, other = better(unified, native, "tflite")
    assert (one.beside, other.beside) == (takes_native, not takes_native)


def test_an_engine_that_made_nothing_loses():
    made, nothing = judged("FAIL", 0.5), replace(judged("PASS", 0.5), trials={})
    assert [one.beside for one in better(made, nothing, "tflite")] == [False, False]
    assert [one.beside for one in better(nothing, made, "tflite")] == [True, False]


def test_what_stands_beside_is_no_part_of_the_whole():
    one, other = better(judged("PASS", 0.6), judged("PASS", 0.5), "tflite")
    assert together((one, other)).trials == other.trials
