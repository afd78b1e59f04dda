"""What a check leaves for the CI server that runs it: files, written whatever the check came to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.ci.junit import junit
from pipeline.ci.markdown import markdown
from pipeline.ci.sarif import sarif
from pipeline.disk import atomic_write
from pipeline.fleet import Outcome
from targets.errors import UsageError

WRITERS: Mapping[str, Callable[[Path, Sequence[Outcome]], str]] = {
    "junit": junit,
    "markdown": markdown,
    "sarif": sarif,
}


@dataclass(frozen=True)
class Files:
    """Where each goes; None for one that nobody asked for."""

    junit: Path | None = None
    markdown: Path | None = None
    sarif: Path | None = None

    def check(self, model: Path) -> None:
        """Raises UsageError where one can't be written: before minutes of measuring, not after."""
        taken = {model.resolve(): "the model"}
        for option, path in self._asked().items():
            target = path.resolve()
            if target in taken:
                raise UsageError(f"--{option} {path}: that is {taken[target]}; name another file")
            if not target.parent.is_dir():
                raise UsageError(f"--{option} {path}: no such folder; make {target.parent}")
            if target.exists() and not target.is_file():
                raise UsageError(f"--{option} {path}: not a file; name one that may be written")
            taken[target] = f"where --{option} goes"

    def write(self, model: Path, outcomes: Sequence[Outcome]) -> None:
        """Writes what was asked for. Raises EnvironmentFault where the disk refuses."""
        for option, path in self._asked().items():
            text = WRITERS[option](model, outcomes)
            atomic_write(path.resolve(), text.encode("utf-8", "replace"))

    def _asked(self) -> dict[str, Path]:
        named = {"junit": self.junit, "markdown": self.markdown, "sarif": self.sarif}
        return {name: path for name, path in named.items() if path is not None}
