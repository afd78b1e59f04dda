"""One call of the agent on a device: its request, its answer, and what its failures mean."""

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from targets.agent.version import EXPECTED, VERSION
from targets.errors import (
    ArtifactError,
    ConversionError,
    DeviceUnreachable,
    EdgesmithError,
    EnvironmentFault,
    MeasurementInvalid,
)
from targets.link.contract import Completed, Link
from targets.too_old import needed

MEMORY_LIMIT_BYTES = 4 * 1024**3
_LONGEST_MESSAGE = 400


@dataclass(frozen=True)
class Call:
    """One request to the agent.

    `model` names the file in messages. `blames` is what a failure of the runtime is: ArtifactError
    where the file is read for the first time, ConversionError where it was read well before.
    """

    request: Mapping[str, object]
    model: str
    runtime: str
    timeout_s: float
    blames: type[EdgesmithError] = ConversionError
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES


def ask(link: Link, call: Call) -> dict[str, Any]:
    """The agent's answer from a fresh process, limited in memory and time.

    Raises ArtifactError or ConversionError for what the model does to the runtime (also a crash of
    it), EnvironmentFault where the runtime is missing, DeviceUnreachable for no sensible answer.
    """
    confined = {
        **call.request,
        EXPECTED: VERSION,
        "runtime": call.runtime,
        "memory_limit_bytes": call.memory_limit_bytes,
        "dies_with_parent": True,
    }
    try:
        completed = link.run(
            (link.python, "-m", "targets.agent"),
            stdin=json.dumps(confined).encode(),
            environment=_environment(link, call),
            timeout_s=call.timeout_s,
        )
    except TimeoutError as error:
        raise call.blames(f"{call.model}: {call.runtime} gave {error}") from error
    return _answer(completed, call)


def _environment(link: Link, call: Call) -> dict[str, str]:
    threads = str(call.request.get("threads", 1))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONDONTWRITEBYTECODE": "1"}
    return {"PYTHONPATH": link.code, **quiet, **dict.fromkeys(names, threads)}


def _answer(completed: Completed, call: Call) -> dict[str, Any]:
    if completed.code < 0:
        raise call.blames(f"{call.model}: {_crash(-completed.code, call.runtime)}")
    try:
        answer = json.loads(completed.stdout)
    except (ValueError, RecursionError):  # also of brackets without end
        answer = None
    if not isinstance(answer, dict):
        raise DeviceUnreachable(f"the agent gave no answer: {_last_line(completed.stderr)}")
    found = answer.pop(EXPECTED, None)
    if found != VERSION:
        raise DeviceUnreachable(
            f"the device has an agent of another version: {_shortened(repr(found))}; this program "
            f"speaks {VERSION}: end what else uses the device, and use one edgesmith"
        )
    if "error" in answer:
        raise _error(answer["error"], call)
    return answer


def _crash(number: int, runtime: str) -> str:
    if number == signal.SIGKILL:
        return f"{runtime} was killed; most often that is the system being out of memory"
    known = {each.value: each.name for each in signal.Signals}
    return f"{runtime} crashed on it ({known.get(number, f'signal {number}')})"


def _error(told: object, call: Call) -> EdgesmithError:
    if not isinstance(told, Mapping):
        return DeviceUnreachable(f"the agent's error is malformed: {_shortened(repr(told))}")
    kind, whole = str(told.get("kind")), str(told.get("message"))
    message = needed(whole) or _shortened(whole)
    if kind == "missing":
        cure = f"install {call.runtime} there"
        return EnvironmentFault(f"{call.runtime} can't be imported: {message}; {cure}")
    if kind == "environment":
        return EnvironmentFault(message)
    if kind == "invalid":
        return MeasurementInvalid(f"{call.model}: {message}")
    classes: dict[str, type[EdgesmithError]] = {
        "artifact": ArtifactError,
        "unsupported": ConversionError,
    }
    allowed_gb = call.memory_limit_bytes / 1e9
    excess = f"it needs more memory than the {allowed_gb:.1f} GB allowed"
    text = excess if kind == "memory" else message
    if needed(whole):
        return ConversionError(f"{call.model}: {call.runtime} can't run it: {text}")
    return classes.get(kind, call.blames)(f"{call.model}: {call.runtime} can't run it: {text}")


def _shortened(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return _shortened(lines[-1]) if lines else "it wrote nothing"
