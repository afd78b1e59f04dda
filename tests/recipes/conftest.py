"""What every recipe must go through."""

import pytest

from pipeline.graph import trace
from pipeline.prune import apply, plan
from pipeline.prune.kept import kept_by
from pipeline.recipe import Distill, Recover
from pipeline.recover import Recovered, recover
from pipeline.task import Task


def _shrunk(task: Task) -> tuple[int, int, Recovered]:
    dense = trace(task.build(), task.example_inputs())
    decided = plan(dense, ratio=0.25)
    settings = Recover(epochs=1, learning_rate=1e-3, distill=Distill(features=("auto",)))
    done = recover(
        apply(dense, decided),
        dense,
        task,
        settings,
        lambda message, fraction: None,
        kept=kept_by(dense, [decided]),
    )
    return decided.macs_dense, decided.macs_kept, done


@pytest.fixture(scope="session")
def shrunk():
    """Prunes a task's model by a quarter and recovers it for an epoch: MACs before and after, and
    what recovery says."""
    return _shrunk
