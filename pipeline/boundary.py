"""Where errors become messages and exit codes: nothing below it prints a traceback at a user."""

import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pipeline.disk import environment_faults
from pipeline.printing import print_json, visible
from targets.errors import EdgesmithError

INTERRUPTED = 130


def leave_with(door: Callable[[], int], as_json: bool) -> NoReturn:
    """Opens a door and ends the process with its exit code, or that of whatever it raises."""
    try:
        with _terminable(), environment_faults(Path.cwd()):
            sys.exit(door())
    except EdgesmithError as error:
        _leave(str(error), error.exit_code, type(error).__name__, as_json)
    except KeyboardInterrupt:
        message = "interrupted; what was finished is kept, and the same command goes on from there"
        _leave(message, INTERRUPTED, "Interrupted", as_json)
    except Exception as error:  # noqa: BLE001 the boundary: the whole of it goes to a log file
        message, log = internal_error(error)
        _leave(message, EdgesmithError.exit_code, "InternalError", as_json, log)


def internal_error(error: BaseException) -> tuple[str, str | None]:
    """What to say of a bug, and the file that holds the whole of it, if one could be written."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    log = _logged(error)
    where = f"the details are in {log}" if log else "its details could not be written to a file"
    return f"internal error: {what}\n  this is a bug in edgesmith; {where}", log


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM interrupts the block as Ctrl-C does, so that temporary files and devices are left
    clean: by itself it would end the program at once. A handler that is there already stays."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    owner = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # the next one ends it at once
        if os.getpid() != owner:  # a forked worker: its owner means to end it
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _logged(error: BaseException) -> str | None:
    """The file that holds the whole of an error, or None where none can be written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="edgesmith-error-", suffix=".log", delete=False
        ) as log:
            traceback.print_exception(error, file=log)
            return log.name
    except OSError:
        return None


def _leave(message: str, code: int, kind: str, as_json: bool, log: str | None = None) -> NoReturn:
    if as_json:
        told = {"kind": kind, "message": message, "exit_code": code}
        print_json({"error": {**told, "log": log} if log else told})
    sys.stderr.write(f"edgesmith: {visible(message)}\n")
    sys.exit(code)
