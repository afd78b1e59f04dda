"""`edgesmith check --device a,b,c`: one model file on several devices, side by side.

Each device is measured by a thread of its own; one that fails does not stop the others, whatever
its failure. An interrupt ends them all.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline.boundary import internal_error
from pipeline.check import Checked, checked, stated_budget
from pipeline.console import Console
from pipeline.diagnose.view import print_diagnosis
from pipeline.disk import environment_faults
from pipeline.given import NOTHING, Given
from pipeline.printing import print_json
from pipeline.terminal import Terminal
from targets import device as devices
from targets.artifact import format_of
from targets.budget import Budget, Verdict
from targets.device import DeviceProfile
from targets.errors import ArtifactError, EdgesmithError, UsageError
from targets.measurement import TimingRule

_WORST_FIRST = (1, 2, 6, 7, 5, 3, 4, 0)
"""Exit codes: of several, the first of these."""
_ENDING_S = 10.0
"""What an interrupt leaves a device's thread to end what it is at."""
_LOOK_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of one device: the model judged there, or why it could not be."""

    device: str
    found: Checked | EdgesmithError

    @property
    def code(self) -> int:
        """The exit code that this device alone would give."""
        return self.found.code if isinstance(self.found, Checked) else self.found.exit_code

    def document(self) -> dict[str, Any]:
        """As JSON has it: what `check` has of one device, or its error."""
        if isinstance(self.found, Checked):
            return {**self.found.document, "verdict": asdict(self.found.verdict)}
        told = {"kind": type(self.found).__name__, "message": str(self.found)}
        return {"device": self.device, "error": {**told, "exit_code": self.code}}


Tell = Callable[[Sequence[Outcome]], None]


def nobody(_: Sequence[Outcome]) -> None:
    """For a check that nobody else is told of."""


class _Lane:
    """A device's share of the console: what it says begins with its name.

    Whatever it is told once the event is set raises KeyboardInterrupt: that is how its thread ends.
    """

    def __init__(self, console: Console, device: str, interrupted: threading.Event) -> None:
        self._console = console
        self._device = device
        self._interrupted = interrupted

    def step(self, message: str) -> None:
        self._console.remark(self._told(message))

    def remark(self, message: str) -> None:
        self._console.remark(self._told(message))

    def progress(self, message: str, fraction: float) -> None:
        self._console.progress(self._told(message), fraction)

    def _told(self, message: str) -> str:
        if self._interrupted.is_set():
            raise KeyboardInterrupt
        return f"{self._device}: {message}"


def check(
    model: Path,
    names: Sequence[str],
    limits: tuple[str, ...],
    budget: Path | None,
    as_json: bool,
    rule: TimingRule | None = None,
    tell: Tell = nobody,
    given: Given = NOTHING,
) -> int:
    """Judges a model file on every device named, prints one table and gives one exit code.

    `tell` is given what became of each before it is printed.

    Raises:
        UsageError: a device is unknown, is named twice, or has no limit to be judged by.
    """
    stated = stated_budget(limits, budget, given)
    profiles = _profiles(names, stated)
    format_of(model)
    if not model.is_file():
        raise ArtifactError(f"{model}: no such file")
    with Console() as console:
        console.step(f"checking {model.name} on {', '.join(names)}")
        outcomes = _side_by_side(model, profiles, stated, rule, given, console)
    tell(outcomes)
    code = min((one.code for one in outcomes), key=_WORST_FIRST.index)
    if as_json:
        rows = [one.document() for one in outcomes]
        print_json({"schema_version": 1, "model": str(model), "devices": rows, "exit_code": code})
    else:
        _print(outcomes)
    return code


def _profiles(names: Sequence[str], stated: Budget) -> list[DeviceProfile]:
    if not all(names):
        raise UsageError(f"'{','.join(names)}': name a device before and after each comma")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"device '{twice[0]}' is named twice; a device takes one job at a time")
    profiles = [devices.load(name) for name in names]
    for profile in profiles:
        if not stated.limits() and not profile.budget.limits():
            raise UsageError(
                f"no limit to judge '{profile.name}' by: --limit latency_ms.p95=8 or --budget FILE"
            )
    return profiles


def _side_by_side(
    model: Path,
    profiles: Sequence[DeviceProfile],
    stated: Budget,
    rule: TimingRule | None,
    given: Given,
    console: Console,
) -> list[Outcome]:
    interrupted = threading.Event()
    outcomes: dict[str, Outcome] = {}

    def take(profile: DeviceProfile) -> None:
        lane = _Lane(console, profile.name, interrupted)
        with contextlib.suppress(KeyboardInterrupt):
            found = _attempted(lambda: checked(model, profile, stated, rule, lane, given))
            if isinstance(found, EdgesmithError):
                lane.remark(str(found))
            outcomes[profile.name] = Outcome(profile.name, found)

    _run([partial(take, profile) for profile in profiles], interrupted)
    return [outcomes[profile.name] for profile in profiles]


def _attempted(work: Callable[[], Checked]) -> Checked | EdgesmithError:
    """What the work gives, or the error that it raises, a bug being told as the boundary does."""
    try:
        with environment_faults(Path.cwd()):
            return work()
    except EdgesmithError as error:
        return error
    except Exception as error:  # noqa: BLE001 the others' results are not lost to it
        return EdgesmithError(internal_error(error)[0])


def _run(works: Sequence[Callable[[], None]], interrupted: threading.Event) -> None:
    """Runs all at once to their end; an interrupt sets the event and leaves them a while.

    Daemons: one that hangs, or waits for its device, does not keep an interrupt waiting. And each
    has an event for its end, since in Python 3.11 a join that was interrupted waits no more.
    """
    ends = []
    try:
        for work in works:
            ends.append(threading.Event())
            threading.Thread(target=_told_of, args=(work, ends[-1]), daemon=True).start()
        for end in ends:
            while not end.wait(_LOOK_S):
                continue  # a signal that comes just before a wait begins does not end it
    except KeyboardInterrupt:
        interrupted.set()
        deadline = time.monotonic() + _ENDING_S
        for end in ends:
            end.wait(max(0.0, deadline - time.monotonic()))
        raise


def _told_of(work: Callable[[], None], end: threading.Event) -> None:
    try:
        work()
    finally:
        end.set()


def _print(outcomes: Sequence[Outcome]) -> None:
    console = Terminal()
    columns = ("device", "runtime", "p50 ms", "p95 ms", "memory MB", "verdict", "why")
    shown = Table(*columns, box=None, pad_edge=False)
    for one in outcomes:
        shown.add_row(one.device, *_cells(one.found))
    console.print(shown)
    for one in outcomes:
        if isinstance(one.found, Checked) and one.found.findings:
            console.print(f"{one.device}:")
            print_diagnosis(one.found.document["diagnosis"], console)


def _cells(found: Checked | EdgesmithError) -> tuple[str, ...]:
    if not isinstance(found, Checked):
        return ("", "", "", "", f"exit {found.exit_code}", str(found))
    measured = found.document["measurement"]
    latency = measured["latency_ms"]
    numbers = (latency["p50"], latency["p95"], measured["peak_memory_mb"])
    told = tuple(one if isinstance(one, str) else f"{one:.4g}" for one in numbers)
    return (found.document["runtime"], *told, found.verdict.status, _why(found.verdict))


def _why(verdict: Verdict) -> str:
    lines = [line for line in verdict.lines if line.status == verdict.status]
    shown = (f"{line.limit} {line.reason}".strip() for line in lines if line.status != "PASS")
    return "; ".join(shown)
