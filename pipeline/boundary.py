"""Where errors become messages and exit codes: nothing below it prints a traceback at a user."""

import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipeline.disk import environment_faults
from pipeline.printing import print_json, visible
from targets.errors import EdgesmithError

INTERRUPTED = 130


def leave_with(door: Callable[[], int], as_json: bool) -> NoReturn:
    """Opens a door and ends the process with its exit code, or that of whatever it raises."""
    try:
        with environment_faults(Path.cwd()):
            sys.exit(door())
    except EdgesmithError as error:
        _leave(str(error), error.exit_code, type(error).__name__, as_json)
    except KeyboardInterrupt:
        message = "interrupted; what was finished is kept, and the same command goes on from there"
        _leave(message, INTERRUPTED, "Interrupted", as_json)
    except Exception as error:  # noqa: BLE001 the boundary: the whole of it goes to a log file
        _internal(error, as_json)


def _internal(error: BaseException, as_json: bool) -> NoReturn:
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    log = _logged(error)
    where = f"the details are in {log}" if log else "its details could not be written to a file"
    message = f"internal error: {what}\n  this is a bug in edgesmith; {where}"
    _leave(message, EdgesmithError.exit_code, "InternalError", as_json, log)


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
