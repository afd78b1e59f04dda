"""Finding the edges of plateaus by bisection, on windows of the graph."""

from collections.abc import Callable, Mapping

from pipeline.cost.journal import Journal
from pipeline.cost.table import Staircase
from pipeline.cost.timing import Stopwatch


def climb(
    bench: object, watch: Stopwatch, journal: Journal, goes_on: Callable[[], bool]
) -> Mapping[str, Staircase]:
    return {}
