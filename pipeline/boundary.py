"""Where errors become messages and exit codes: nothing below it prints a traceback at a user."""

import errno
import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from targets.errors import EdgesmithError, EnvironmentFault

INTERRUPTED = 130
_ENVIRONMENT = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EACCES: "permission denied: choose another folder or change its permissions",
    errno.EPERM: "not permitted: choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only: choose another folder",
}


def leave_with(door: Callable[[], int], as_json: bool) -> NoReturn:
    """Opens a door and ends the process with its exit code, or that of whatever it raises."""
    try:
        sys.exit(door())
    except EdgesmithError as error:
        _leave(str(error), error.exit_code, type(error).__name__, as_json)
    except KeyboardInterrupt:
        message = "interrupted; what was finished is kept, and the same command goes on from there"
        _leave(message, INTERRUPTED, "Interrupted", as_json)
    except OSError as error:
        fault = _environment(error)
        if fault is None:
            _internal(error, as_json)
        _leave(str(fault), fault.exit_code, type(fault).__name__, as_json)
    except Exception as error:  # noqa: BLE001 the boundary: the whole of it goes to a log file
        _internal(error, as_json)


def _environment(error: OSError) -> EnvironmentFault | None:
    cure = _ENVIRONMENT.get(error.errno or 0)
    return EnvironmentFault(f"{error.filename or 'writing'}: {cure}") if cure else None


def _internal(error: BaseException, as_json: bool) -> NoReturn:
    with tempfile.NamedTemporaryFile(
        "w", prefix="edgesmith-error-", suffix=".log", delete=False
    ) as log:
        traceback.print_exception(error, file=log)
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    message = f"internal error: {what}\n  this is a bug in edgesmith; the details are in {log.name}"
    _leave(message, 1, "InternalError", as_json, Path(log.name))


def _leave(message: str, code: int, kind: str, as_json: bool, log: Path | None = None) -> NoReturn:
    if as_json:
        document = {"error": {"kind": kind, "message": message, "exit_code": code}}
        if log is not None:
            document["error"]["log"] = str(log)
        print(json.dumps(document, indent=2))  # noqa: T201 stdout is the document
    sys.stderr.write(f"edgesmith: {message}\n")
    sys.exit(code)
