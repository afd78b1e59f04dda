"""What the user's code raises, as a message that points into the user's code."""

import errno
import linecache
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from targets.errors import EdgesmithError, TaskError

_SHAPES = re.compile(
    r"size mismatch for (\S+): copying a param with shape torch\.Size\((\[.*?\])\) from "
    r"checkpoint, the shape in current model is torch\.Size\((\[.*?\])\)"
)
_KEYS = re.compile(r"(Missing|Unexpected) key\(s\) in state_dict: (.*)")
_KEY_FAULTS = {"Missing": "missing from the weights", "Unexpected": "in the weights only"}
_AT_MOST = 3
"""Faults of one kind that a message lists; the others are counted."""

_MAX_LENGTH = 600


@contextmanager
def user_code(what: str, file: Path, line: int | None = None) -> Iterator[None]:
    """Raises TaskError with the user's own frame for whatever the code inside raises.

    Args:
        what: what is being done, such as "build()".
        file: the task's file; every file below its folder is the user's.
        line: the line to tell where no frame of the user's was reached, if there is one.
    """
    try:
        yield
    except EdgesmithError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the disk's fault, not the task's
        place, source = _frame(error, file) or (at(file, line), "")
        raise TaskError(f"{place}: {what} failed: {_told(error)}{source}") from error


def displayed(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


def at(file: Path, line: int | None) -> str:
    """The head of a message: the file, and the line where one is known."""
    return displayed(file) if line is None else f"{displayed(file)}:{line}"


def _frame(error: BaseException, file: Path) -> tuple[str, str] | None:
    """Where in the user's files it happened, innermost, and the line's text."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        path = Path(error.filename)
        if path.is_relative_to(file.parent):
            return f"{displayed(path)}:{error.lineno}", _source(path, error.lineno)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(file.parent) and frame.lineno:
            inside = "" if frame.name == "<module>" else f": in {frame.name}"
            return f"{displayed(path)}:{frame.lineno}{inside}", _source(path, frame.lineno)
    return None


def _source(path: Path, line: int) -> str:
    linecache.checkcache(str(path))
    text = linecache.getline(str(path), line).strip()
    return f"\n    {text}" if text else ""


def _told(error: BaseException) -> str:
    text = str(error).strip()
    if "Error(s) in loading state_dict" in text:
        return f"the weights do not fit the model: {_misfits(text)}"
    if isinstance(error, SystemExit):
        return f"it ended the process (exit status {error.code})"
    if isinstance(error, SyntaxError):
        text = error.msg
    if len(text) > _MAX_LENGTH:
        text = f"{text[:_MAX_LENGTH]} ..."
    return f"{type(error).__name__}: {text}{_cure(error)}"


def _cure(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return (
            f"; put {top}.py beside the task, or install '{top}' into the environment "
            "that runs edgesmith"
        )
    return ""


def _misfits(text: str) -> str:
    """load_state_dict's report, at most a few of each kind."""
    shapes = [
        f"{name} has shape {found}, the model wants {wanted}"
        for name, found, wanted in _SHAPES.findall(text)
    ]
    parts = [_few(shapes)] if shapes else []
    for kind, names in _KEYS.findall(text):
        quoted = re.findall(r'"([^"]*)"', names)
        parts.append(f"{_few(quoted)} {_KEY_FAULTS[kind]}")
    return "; ".join(parts) or text.splitlines()[-1].strip()


def _few(items: list[str]) -> str:
    rest = len(items) - _AT_MOST
    return ", ".join(items[:_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")
