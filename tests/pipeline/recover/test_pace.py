"""Training by epochs and by the clock."""

import pytest
import torch

from pipeline.recipe import Recover
from pipeline.recover import recover
from pipeline.recover import trainer as trainers
from pipeline.recover.history import STRIDE, Rates
from pipeline.recover.pace import ByEpochs, ByTime, Stopwatch, pace_of
from pipeline.recover.schedule import one_cycle
from targets.errors import TaskError


class Clock:
    """Ten seconds pass at every look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 10.0
        return self.now


def silent(message, fraction):
    pass


def test_epochs_are_done_when_they_are_trained():
    pace = pace_of(Recover(epochs=4), Stopwatch(), 1.0)
    assert isinstance(pace, ByEpochs)
    assert (pace.done(0), pace.done(2.5), pace.done(4)) == (0, 0.625, 1)
    assert pace.told(3) == "epoch 3/4"


def test_time_is_done_when_it_is_up():
    pace = pace_of(Recover(minutes=2.0), Stopwatch(clock=Clock()), 10.0)
    assert isinstance(pace, ByTime)
    assert pace.training_s == 100.0  # two validations are part of the two minutes
    assert [pace.done(0) for _ in range(3)] == [0.1, 0.2, 0.3]
    assert pace.told(3) == "epoch 3"


def test_what_was_spent_before_counts():
    watch = Stopwatch(before_s=60.0, clock=Clock())
    assert watch.seconds() == 70.0
    assert ByTime(100.0, watch).done(0) == 0.8


def test_no_time_beside_validation_is_refused():
    with pytest.raises(TaskError, match=r"minutes: found 0\.1; .* twice 3 s; allowed: more than 0"):
        pace_of(Recover(minutes=0.1), Stopwatch(), 3.0)


def test_the_schedule_is_laid_over_the_time(task, teacher, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trainers, "Stopwatch", lambda before_s=0.0: Stopwatch(before_s, clock))
    # Ten seconds a look: the first validation takes 10 s, so 400 - 20 are left for training.
    asked = Recover(minutes=400 / 60, learning_rate=1e-3)
    done = recover(teacher, teacher, task, asked, silent)
    told = done.training
    assert told.asked == "6.66667 minutes"
    assert told.epochs == len(done.history) - 1
    assert told.seconds == pytest.approx(400, abs=40)
    rates = {one.batch: one.learning_rate for one in told.rates}
    assert max(rates) == told.batches < 38
    assert max(rates.values()) <= 1e-3
    assert rates[told.batches] < max(rates.values()) / 5  # the rate is down when the time is up
    torch.testing.assert_close(done.history[-1].learning_rate, rates[told.batches])


def test_a_little_time_is_at_least_one_batch(task, teacher, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trainers, "Stopwatch", lambda before_s=0.0: Stopwatch(before_s, clock))
    done = recover(teacher, teacher, task, Recover(minutes=21 / 60), silent)
    assert (done.training.batches, len(done.history)) == (1, 2)


def test_training_by_the_clock_goes_on_with_what_is_left(task, teacher, tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trainers, "Stopwatch", lambda before_s=0.0: Stopwatch(before_s, clock))
    asked = Recover(minutes=30.0)

    def tell(message, fraction):
        if message.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover(teacher, teacher, task, asked, tell, checkpoints=tmp_path)
    done = recover(teacher, teacher, task, asked, silent, checkpoints=tmp_path)
    assert done.resumed_after == 2
    assert done.training.seconds == pytest.approx(1800, abs=60)


def test_rates_are_kept_at_fifty_moments():
    rates = Rates()
    for batch in range(1000):
        rates.note(batch / 1000, one_cycle(batch / 1000, 1.0))
    kept = rates.all()
    assert (kept[0].batch, kept[-1].batch) == (1, 1000)
    assert len(kept) <= 1 / STRIDE + 2
    assert kept[-1].learning_rate == one_cycle(0.999, 1.0)
    assert Rates().all() == ()
