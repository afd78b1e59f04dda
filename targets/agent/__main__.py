"""`python -m targets.agent`: one JSON request on stdin, one JSON answer on stdout."""

import ctypes
import json
import os
import resource
import signal
import sys
from types import TracebackType
from typing import Any, Dict, Optional, Sequence, TextIO, Type

from targets.agent.commands import COMMANDS, Request
from targets.agent.runtime import runtime_named
from targets.agent.version import EXPECTED, VERSION
from targets.errors import ConversionError, EdgesmithError, EnvironmentFault, MeasurementInvalid
from targets.measurement import TimingRule

_PR_SET_PDEATHSIG = 1  # prctl(2)
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory")
"""What runtimes say at the end of what they may have."""


def main() -> None:
    """Answers the request; what fails is answered as {"error": {"kind", "message"}}."""
    answers = _own_stdout()
    document = json.load(sys.stdin)
    wanted = document.pop(EXPECTED, None)
    if wanted != VERSION:
        refusal = f"the desk wants agent {wanted}, this is {VERSION}"
        _answer(answers, {"error": {"kind": "version", "message": refusal}}, 1)
    request = _request(document)

    def refuse(kind: Type[BaseException], error: BaseException, _: Optional[TracebackType]) -> None:
        _answer(answers, {"error": {"kind": _kind(error, request), "message": _message(error)}}, 1)

    sys.excepthook = refuse
    _confine(request)
    _answer(answers, COMMANDS[request.command](request), 0)


def _request(document: Dict[str, Any]) -> Request:
    rule = TimingRule(**document.pop("rule", {}))
    return Request(rule=rule, **document)


def _own_stdout() -> TextIO:
    """The real stdout; a runtime's own chatter goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, document: Dict[str, object], code: int) -> None:
    json.dump({EXPECTED: VERSION, **document}, answers)
    answers.flush()
    os._exit(code)  # a runtime's teardown can take long, or crash: nothing is left to lose


def _confine(request: Request) -> None:
    """Limits this process's memory and cores, and ties it to its parent, where that is asked."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if request.cores:
        _pin(request.cores)
    if request.memory_limit_bytes:
        # Not RLIMIT_AS: runtimes reserve address space that they never touch.
        allowed = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = request.memory_limit_bytes
        if allowed != resource.RLIM_INFINITY:
            limit = min(limit, allowed)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if request.dies_with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _pin(cores: Sequence[int]) -> None:
    try:
        os.sched_setaffinity(0, cores)
    except (OSError, OverflowError) as error:
        raise EnvironmentFault(
            f"the profile's key 'pin' names the cores {list(cores)}, none of which may be used "
            f"here; those that may: {sorted(os.sched_getaffinity(0))}"
        ) from error


def _kind(error: BaseException, request: Request) -> str:
    if isinstance(error, ImportError):
        return "missing"
    if isinstance(error, MemoryError) or any(phrase in str(error) for phrase in _NO_MEMORY):
        return "memory"
    if isinstance(error, MeasurementInvalid):
        return "invalid"
    if isinstance(error, EnvironmentFault):
        return "environment"
    if isinstance(error, EdgesmithError):
        return "unsupported" if isinstance(error, ConversionError) else "artifact"
    phrases = runtime_named(request.runtime).UNSUPPORTED
    return "unsupported" if any(phrase in str(error) for phrase in phrases) else "runtime"


def _message(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


if __name__ == "__main__":
    main()
