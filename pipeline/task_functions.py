"""The functions of a task.py: that they are there, and that configure() takes the params."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from pipeline.nearest import advice
from pipeline.task_faults import at, displayed, user_code
from targets.errors import TaskError

REQUIRED = ("build", "example_inputs", "batches")
OPTIONAL = ("loss", "configure", "augment")


def check_functions(module: ModuleType, path: Path) -> None:
    """Raises TaskError for a function that is missing, or is none."""
    known = vars(module)
    for name in REQUIRED:
        if name not in known:
            near = advice(name, [one for one in known if callable(known[one])])
            hint = f"; {near.partition('allowed: ')[0].strip()}" if "did you mean" in near else ""
            raise TaskError(
                f"{displayed(path)}: lacks {name}(){hint}; a task defines "
                f"{', '.join(f'{one}()' for one in REQUIRED)} and metrics"
            )
    for name in (*REQUIRED, *OPTIONAL):
        if name in known and not callable(known[name]):
            kind = type(known[name]).__name__
            raise TaskError(f"{displayed(path)}: {name}: found {kind}; allowed: a function")
    if "metrics" not in known:
        raise TaskError(f"{displayed(path)}: lacks metrics; for example: metrics = ['accuracy']")


def configure(module: ModuleType, path: Path, params: Mapping[str, object]) -> None:
    """Calls the task's configure() with the params; TaskError where it does not take them."""
    function = vars(module).get("configure")
    if function is None:
        if params:
            raise TaskError(
                f"{displayed(path)}: lacks configure(), and the recipe has params "
                f"({', '.join(params)}); define configure({', '.join(params)}) or remove them"
            )
        return
    line = first_line(function)
    _check_params(function, at(path, line), params)
    with user_code("configure()", path, line):
        function(**params)


def _check_params(
    function: Callable[..., object], place: str, params: Mapping[str, object]
) -> None:
    taken = inspect.signature(function).parameters.values()
    if not any(one.kind is one.VAR_KEYWORD for one in taken):
        names = [one.name for one in taken]
        for name in params:
            if name not in names:
                raise TaskError(f"{place}: configure() has no '{name}'; {advice(name, names)}")
    for one in taken:
        optional = one.default is not one.empty or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        if not optional and one.name not in params:
            raise TaskError(
                f"{place}: configure() wants '{one.name}', which the recipe's params lack; "
                f"add it there, or `--set params.{one.name}=VALUE`"
            )


def first_line(function: object) -> int | None:
    """Where a function of the user's begins; None for what has no code of its own."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return int(code.co_firstlineno) if code is not None else None
