"""`edgesmith replay`: a package's artifact rebuilt from its record, with the user's own task.

Of the package only data is used: the record, its plan files and digests. The code is the task of
the recipe that the user names. What is rebuilt is compared by sha256, step by step.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from pipeline import replay_record as records
from pipeline.console import Console
from pipeline.desk import Desk
from pipeline.package.manifest import REPLAY, Manifest
from pipeline.package.opening import Opened, opened
from pipeline.printing import print_json
from pipeline.recipe import LoadedRecipe, read
from pipeline.replay_record import Record, RecoverStep, TrainStep
from pipeline.replay_steps import Replayed, Replaying
from pipeline.task import SPLITS, Task, load
from pipeline.terminal import Terminal
from pipeline.tools import versions
from pipeline.verify_contents import examined
from pipeline.workspace import Workspace
from targets import device as devices
from targets.artifact import FORMAT_OF_RUNTIME
from targets.errors import ArtifactError, UsageError
from targets.measurement import TimingRule

DIFFERENT = 3
SHOWN = 12
"""Digits of a sha256 in the table; JSON has all of them."""
NAMED = 5
"""Files named in a sentence, at most."""


@dataclass(frozen=True)
class Order:
    """What `replay` was asked for.

    Attributes:
        package: a .zip, .tar.gz or .deb.
        recipe: the recipe's folder or file whose task is used.
        data: the task's `data` param.
        overrides: KEY=VALUE each, of params.
        out: a folder that keeps the finished steps; None: a temporary one.
    """

    package: Path
    recipe: Path
    data: str | None = None
    overrides: tuple[str, ...] = ()
    out: Path | None = None

    def loaded(self) -> LoadedRecipe:
        """The recipe with its params overridden. Raises UsageError for any other override."""
        for text in self.overrides:
            if not text.startswith("params."):
                raise UsageError(
                    f"--set {text}: settings are the package's; allowed: params.NAME=VALUE"
                )
        data = [f"params.{records.DATA}={self.data}"] if self.data is not None else []
        return read(self.recipe, [*self.overrides, *data])


@dataclass(frozen=True)
class Outcome:
    """What replaying a package came to.

    Attributes:
        package: the archive.
        manifest: its own.
        steps: every step, the artifact last.
        reasons: what may have changed the bytes: task, tools, threads, the clock.
    """

    package: Path
    manifest: Manifest
    steps: tuple[Replayed, ...]
    reasons: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the artifact is the package's, byte for byte."""
        return self.steps[-1].same

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "schema_version": 1,
            "package": str(self.package),
            "id": self.manifest.id,
            "same": self.same,
            "sha256": {"package": self.manifest.model.sha256, "rebuilt": self.steps[-1].found},
            "steps": [{**asdict(one), "same": one.same} for one in self.steps],
            "reasons": list(self.reasons),
        }


def replay(order: Order, as_json: bool) -> int:
    """Rebuilds a package's artifact and prints how it compares; 0 where it is the same, else 3.

    Raises:
        ArtifactError: the package is damaged, or has no record of its model.
        UsageError: the recipe's params are not those that the artifact was made with.
        TaskError: the task's model is not the one that the plans are of.
    """
    loaded = order.loaded()
    with Console() as console, opened(order.package) as package:
        console.step(f"replaying {order.package.name} with {loaded.file}")
        found = _replayed(order, loaded, package, console)
    if as_json:
        print_json(found.document())
    else:
        _print(found)
    return 0 if found.same else DIFFERENT


def _replayed(order: Order, loaded: LoadedRecipe, package: Opened, console: Console) -> Outcome:
    manifest = _sound(order.package, package)
    record = _record(order.package, package)
    _check_model(order.package, record, manifest)
    _check_params(record, loaded)
    task = load(loaded.folder, loaded.recipe.task, loaded.recipe.params, _splits(record))
    reasons = tuple(_reasons(record, task))
    for reason in reasons:
        console.remark(f"note: {reason}")
    profile = devices.load(loaded.recipe.device)
    with _folder(order.out) as folder, Workspace.open(folder, f"replay-{loaded.name}") as workspace:
        desk = Desk(loaded, task, profile, {}, workspace, console, TimingRule())
        with _threads(record.threads):
            steps = tuple(Replaying(record, package.root / records.FOLDER, desk).steps())
    return Outcome(order.package, manifest, steps, reasons)


def _sound(path: Path, package: Opened) -> Manifest:
    """The manifest of a package whose files are what it says."""
    found = examined(package)
    if found.manifest is None or found.differences:
        told = "; ".join(str(one) for one in found.differences[:3])
        raise ArtifactError(f"{path}: damaged: {told}; `edgesmith verify` tells all of it")
    return found.manifest


def _record(path: Path, package: Opened) -> Record:
    if REPLAY not in package.files:
        raise ArtifactError(
            f"{path}: has no {REPLAY}, so that nothing says how its model was made; make the "
            "package anew from its run with this edgesmith"
        )
    try:
        return records.read(package.files[REPLAY].path)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _check_model(path: Path, record: Record, manifest: Manifest) -> None:
    """The record is of the package's own model; else what is rebuilt would prove nothing of it.

    By the format, since what runs the model there may have a name of its own (tflite-micro).
    """
    model = manifest.model
    made = FORMAT_OF_RUNTIME[record.runtime]
    if (record.sha256, made) != (model.sha256, model.format):
        raise ArtifactError(
            f"{path}: {REPLAY} tells how an artifact of format {made} with sha256 {record.sha256} "
            f"was made, and the package's model is of format {model.format} with sha256 "
            f"{model.sha256}; make the package anew from its run"
        )


def _check_params(record: Record, loaded: LoadedRecipe) -> None:
    """The task has to be the same task: its params are never taken from a package."""
    made, now = record.task.params, records.stated(loaded.recipe.params)
    for name in sorted({*made, *now}):
        if made.get(name) != now.get(name):
            raise UsageError(
                f"params.{name} is {now.get(name)!r} in {loaded.file}, and the artifact was made "
                f"with {made.get(name)!r}; give --set params.{name}=VALUE, or another recipe"
            )


def _splits(record: Record) -> tuple[str, ...]:
    trains = any(isinstance(step, RecoverStep | TrainStep) for step in record.steps)
    return SPLITS if trains else SPLITS[1:]


def _reasons(record: Record, task: Task) -> Iterator[str]:
    """What is not as it was, and what can't be repeated: why the bytes may differ."""
    identity = task.identity()
    if identity["weights"] != record.task.weights:
        yield "the task's model has other weights than the artifact was made from"
    if changed := _changed(record.task.files, identity["files"]):
        yield f"of the task's files others are, or are new or gone: {_named(changed)}"
    if changed := _changed(record.tools, versions()):
        yield f"other tools: {', '.join(_versions(record.tools, name) for name in changed)}"
    for step in record.steps:
        if isinstance(step, RecoverStep | TrainStep) and step.settings.minutes is not None:
            yield f"it was trained by the clock ({step.settings.told}), which no replay repeats"


def _changed(then: Mapping[str, str], now: object) -> list[str]:
    assert isinstance(now, Mapping), "an identity's files and the tools are mappings"
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _versions(then: Mapping[str, str], name: str) -> str:
    return f"{name} {then.get(name, 'none')}, here {versions().get(name, 'none')}"


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Where the steps are kept: a folder of the user's, or one that is gone afterwards."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="edgesmith-replay-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """torch with as many threads as the run had: the last bits of its sums depend on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _print(found: Outcome) -> None:
    console = Terminal()
    shown = Table("step", "in the run", "rebuilt", "", box=None, pad_edge=False)
    for one in found.steps:
        told = "same" if one.same else "different"
        shown.add_row(one.does, one.expected[:SHOWN], one.found[:SHOWN], told)
    console.print(shown)
    for reason in found.reasons:
        console.print(f"note: {reason}", soft_wrap=True)
    first = next((one.does for one in found.steps if not one.same), None)
    verdict = (
        "is rebuilt byte for byte"
        if found.same
        else f"is not the same: the first step that differs is {first}"
    )
    console.print(f"the artifact of {found.manifest.id} {verdict}", soft_wrap=True)
