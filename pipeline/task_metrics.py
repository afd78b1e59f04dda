"""The metrics that a task names or makes: made anew for every pass, faults shown as the user's."""

import inspect
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import SupportsFloat

from pipeline.metrics import METRICS, Metric
from pipeline.nearest import advice
from pipeline.task_faults import at, displayed, user_code
from targets.errors import TaskError

Factory = Callable[[], object]
TAKES = ("outputs", "results")
"""What update() is given: the model's outputs, or what `postprocess` makes of them."""


def factories(found: object, file: Path) -> tuple[Callable[[], Metric], ...]:
    """One maker for each entry of the task's `metrics`, each tried once.

    Raises TaskError for an empty list, a name that is none of ours (with the nearest), a factory
    that fails, an object without update, compute and higher_is_better, or a name given twice.
    """
    place = f"{displayed(file)}: metrics"
    allowed = "a list of names of ours, or of factories"
    if not isinstance(found, list | tuple) or not found:
        raise TaskError(f"{place}: found {found!r}; allowed: {allowed}; {advice('', METRICS)}")
    makers = tuple(_maker(entry, file) for entry in found)
    names = [make().name for make in makers]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise TaskError(f"{place}: found '{name}' twice; allowed: each name once")
    return makers


def _maker(entry: object, file: Path) -> Callable[[], Metric]:
    place = f"{displayed(file)}: metrics"
    if isinstance(entry, str):
        if entry not in METRICS:
            raise TaskError(
                f"{place}: found '{entry}'; {advice(entry, METRICS)}, or a factory of your own"
            )
        return METRICS[entry]
    if not callable(entry):
        raise TaskError(f"{place}: found {entry!r}; allowed: a name of ours, or a factory")
    return lambda: OwnMetric(entry, file)


class OwnMetric:
    """A metric of the user's, as the pipeline takes it."""

    def __init__(self, factory: Factory, file: Path) -> None:
        """Makes the user's object.

        Raises TaskError where that fails or the object lacks something.
        """
        called = str(getattr(factory, "__name__", "metric"))
        self._file = file
        self._line = _first_line(factory)
        with user_code(f"the metric's factory {called}()", file, self._line):
            self._inner = factory()
        lacks = [n for n in ("update", "compute", "higher_is_better") if not self._has(n)]
        if lacks:
            raise TaskError(
                f"{at(file, self._line)}: metric '{called}' lacks {', '.join(lacks)}; "
                "allowed: an object with update(outputs, target), compute(), higher_is_better"
            )
        self.name = str(getattr(self._inner, "name", called))
        self.higher_is_better = bool(attrgetter("higher_is_better")(self._inner))
        self.takes = str(getattr(self._inner, "takes", TAKES[0]))
        if self.takes not in TAKES:
            told = f"takes: found '{self.takes}'; {advice(self.takes, TAKES)}"
            raise TaskError(f"{at(self._file, self._line)}: metric '{called}': {told}")

    def update(self, outputs: object, target: object) -> None:
        """Takes in one batch."""
        self._call("update", outputs, target)

    def compute(self) -> float:
        """The value so far, as a number."""
        found = self._call("compute")
        if not isinstance(found, SupportsFloat):
            raise TaskError(
                f"{at(self._file, self._line)}: metric '{self.name}': compute() gave "
                f"{type(found).__name__}; allowed: a number"
            )
        return float(found)

    def per_class(self) -> Mapping[str, float] | None:
        """The user's per_class(), where there is one."""
        if not self._has("per_class"):
            return None
        found = self._call("per_class")
        if found is not None and not isinstance(found, Mapping):
            raise TaskError(
                f"{at(self._file, self._line)}: metric '{self.name}': per_class() gave "
                f"{type(found).__name__}; allowed: a mapping of class to value, or None"
            )
        return found

    def _has(self, name: str) -> bool:
        return hasattr(self._inner, name)

    def _call(self, name: str, *arguments: object) -> object:
        with user_code(f"metric '{self.name}': {name}()", self._file, self._line):
            return getattr(self._inner, name)(*arguments)


def _first_line(function: Factory) -> int | None:
    try:
        return inspect.getsourcelines(function)[1]
    except (OSError, TypeError):
        return None
