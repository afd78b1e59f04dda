"""The run folder: steps keyed by content, finished whole or not at all, one run at a time.

RUN/run.json          whose run it is
RUN/.lock             held while a run is on
RUN/steps/NAME-KEY/   what a finished step made; KEY is the sha256 of all that went into it
RUN/begun/NAME-KEY/   what a long step that was cut off goes on from; gone once it is finished
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline import tools
from pipeline.disk import (
    TEMPORARY,
    atomic_write,
    environment_faults,
    make_folder,
    synchronise,
    synchronise_tree,
)
from targets.errors import EdgesmithError, FolderInUse

__all__ = ["Workspace", "atomic_write"]

RUN_FILE = "run.json"
LOCK_FILE = ".lock"
BEGUN = "begun"
SEAL = ".step.json"
"""In a step's folder: its inputs and the sha256 of each file, by which damage is noticed."""

_ELSEWHERE = "choose another folder with --out"
_STEP_NAME = re.compile(r"[\w.+-]+", re.ASCII)


class Workspace:
    """An open run folder. Made by Workspace.open.

    Attributes:
        folder: the run folder.
        reused: names of the steps' folders that were found finished, in order.
        made: names of those that were made.
    """

    def __init__(self, folder: Path) -> None:
        """Takes a folder that is locked and is a run's; Workspace.open sees to that."""
        self.folder = folder
        self.reused: list[str] = []
        self.made: list[str] = []

    @classmethod
    @contextmanager
    def open(cls, folder: Path, recipe: str) -> Iterator["Workspace"]:
        """Locks the folder for a run of the recipe of this name, and makes it where there is none.

        Raises:
            FolderInUse: another process runs in it, it holds a run of another recipe, or it holds
                files that are no run.
            EnvironmentFault: the folder can't be made or written.
        """
        _refuse_foreign(folder)
        make_folder(folder / "steps")
        with _locked(folder):
            _claim(folder, recipe)
            with environment_faults(folder):
                _sweep(folder)
            yield cls(folder)

    def step(self, name: str, inputs: object, work: Callable[[Path], None]) -> Path:
        """The folder that `work` fills, made now or found finished from before.

        Args:
            name: what the step is called: letters, digits, dots, dashes.
            inputs: all that the result depends on besides the tools, as JSON can hold it.
            work: fills the empty folder that it is given.

        Raises:
            EnvironmentFault: the disk is full or may not be written.
        """
        return self.long_step(name, inputs, lambda folder, _: work(folder))

    def long_step(self, name: str, inputs: object, work: Callable[[Path, Path], None]) -> Path:
        """As `step`, for work that can be cut off and go on.

        Args:
            name: as for `step`.
            inputs: as for `step`.
            work: fills the empty folder that it is given first. In the second, which may not be
                there yet, it finds what it left when it was cut off; that folder goes once the
                step is finished.
        """
        if not _STEP_NAME.fullmatch(name):
            raise EdgesmithError(f"'{name}' can't name a step's folder")
        sealed = {"step": name, "inputs": inputs, "tools": dict(tools.versions())}
        text = json.dumps(sealed, sort_keys=True, separators=(",", ":"))
        folder = self.folder / "steps" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        begun = self.folder / BEGUN / folder.name
        with environment_faults(folder):
            if _is_whole(folder):
                _remove(begun)
                self.reused.append(folder.name)
                return folder
            _remove(folder)
            self._make(folder, sealed, lambda unfinished: work(unfinished, begun))
            _remove(begun)
        self.made.append(folder.name)
        return folder

    def _make(
        self, folder: Path, sealed: Mapping[str, object], work: Callable[[Path], None]
    ) -> None:
        """Fills a temporary sibling and gives it the name only when all of it is on the disk."""
        unfinished = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder.parent))
        try:
            unfinished.chmod(0o755)
            work(unfinished)
            document = {**sealed, "files": _digests(unfinished)}
            (unfinished / SEAL).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
            synchronise_tree(unfinished)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        synchronise(folder.parent)


def _digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, without the seal."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if name != SEAL
    }


def _is_whole(folder: Path) -> bool:
    """A finished step whose files are still what they were."""
    try:
        sealed = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return bool(sealed["files"] == _digests(folder))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return False


def _remove(folder: Path) -> None:
    """Takes a damaged step away: first its name, so that half of it is never found."""
    if folder.exists():
        doomed = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder.parent))
        folder.rename(doomed / folder.name)
        shutil.rmtree(doomed)


def _sweep(folder: Path) -> None:
    """Removes what a killed run left unfinished. Only under the lock: nobody else's is there."""
    for path in list(folder.rglob(f"{TEMPORARY}*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _refuse_foreign(folder: Path) -> None:
    """Leaves alone a folder whose files are not a run's, before anything is written into it."""
    if folder.exists() and not folder.is_dir():
        raise FolderInUse(f"{folder}: a file, not a folder; {_ELSEWHERE}")
    if not folder.exists() or (folder / RUN_FILE).exists():
        return
    with environment_faults(folder):
        names = sorted(path.name for path in folder.iterdir())
        empty = not any((folder / "steps").glob("*"))
    foreign = [
        name
        for name in names
        if name != LOCK_FILE and not name.startswith(TEMPORARY) and not (name == "steps" and empty)
    ]
    if foreign:
        raise FolderInUse(
            f"{folder}: holds files that are no run, such as {foreign[0]}; {_ELSEWHERE}"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; the kernel lets go of it when this process ends, however it ends."""
    with environment_faults(folder):
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        raise FolderInUse(
            f"{folder}: in use by the process {holder}; wait until it ends, or {_ELSEWHERE}"
        ) from None
    with environment_faults(folder):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _claim(folder: Path, recipe: str) -> None:
    """Checks that the run is this recipe's, or writes that it is."""
    path = folder / RUN_FILE
    if not path.exists():
        atomic_write(path, json.dumps({"schema_version": 1, "recipe": recipe}, indent=2) + "\n")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        raise FolderInUse(f"{path}: can't be read as a run's; {_ELSEWHERE}") from None
    if found != recipe:
        raise FolderInUse(
            f"{folder}: holds a run of recipe '{found}', not of '{recipe}'; {_ELSEWHERE}"
        )
