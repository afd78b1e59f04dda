"""Every way in which a call of the agent can fail ends as one error with one line."""

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from targets.agent.version import EXPECTED, VERSION
from targets.calling import Call, ask
from targets.errors import (
    ArtifactError,
    ConversionError,
    DeviceUnreachable,
    EdgesmithError,
    EnvironmentFault,
)
from targets.link.contract import Completed


class Scripted:
    """A link whose every command ends in the same way."""

    folder, python, code, site = "/there", "python", "/there/code", ""

    def __init__(self, completed: Completed | None) -> None:
        self.completed = completed
        self.environment: Mapping[str, str] = {}
        self.request: dict[str, object] = {}

    def push(self, local: Path, name: str) -> str:
        raise AssertionError

    def place(self, local: Path, name: str) -> str:
        raise AssertionError

    def pull(self, remote: str, local: Path) -> None:
        raise AssertionError

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> Completed:
        self.environment, self.request = environment, json.loads(stdin)
        if self.completed is None:
            raise TimeoutError(f"no answer in {timeout_s:g} s")
        return self.completed


def answered(document: dict[str, object], code: int = 0) -> Completed:
    told = {EXPECTED: VERSION, **document}
    return Completed(code, json.dumps(told).encode(), b"chatter\nlast words\n")


def refused(kind: str, message: str = "it said\n  so") -> Completed:
    return answered({"error": {"kind": kind, "message": message}}, 1)


def call(blames: type[EdgesmithError] = ConversionError) -> Call:
    return Call({"command": "describe", "threads": 2}, "m.tflite", "tflite", 9.0, blames)


@pytest.mark.parametrize(
    ("completed", "kind", "told"),
    [
        (Completed(-signal.SIGSEGV, b"", b""), ArtifactError, r"tflite crashed on it \(SIGSEGV\)"),
        (Completed(-signal.SIGKILL, b"", b""), ArtifactError, "out of memory"),
        (None, ArtifactError, "tflite gave no answer in 9 s"),
        (Completed(0, b"", b"a\nNo module named numpy\n"), DeviceUnreachable, "No module named"),
        (Completed(0, b"[]", b""), DeviceUnreachable, "it wrote nothing"),
        (Completed(0, b"[" * 100_000, b""), DeviceUnreachable, "it wrote nothing"),
        (Completed(0, b"\xff\x00{", b"x"), DeviceUnreachable, "no answer: x"),
        (Completed(0, b"{}", b""), DeviceUnreachable, "agent of another version: None"),
        (answered({EXPECTED: 1}), DeviceUnreachable, "of another version: 1; this program speaks"),
        (answered({"error": 3}), DeviceUnreachable, "malformed: 3"),
        (refused("runtime"), ArtifactError, "m.tflite: tflite can't run it: it said so"),
        (refused("artifact"), ArtifactError, "it said so"),
        (refused("unsupported"), ConversionError, "it said so"),
        (refused("memory"), ArtifactError, "more memory than the 4.3 GB allowed"),
        (refused("missing"), EnvironmentFault, "install tflite"),
        (refused("environment"), EnvironmentFault, "^it said so$"),
        (refused("runtime", "x" * 9999), ArtifactError, "…$"),
    ],
)
def test_failures_while_reading(
    completed: Completed | None, kind: type[EdgesmithError], told: str
) -> None:
    with pytest.raises(kind, match=told) as caught:
        ask(Scripted(completed), call(ArtifactError))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older version of "
            "this builtin might be supported. Are you using an old TFLite binary?",
            "needs a TFLite with version 12 of FULLY_CONNECTED",
        ),
        (
            "ONNX Runtime only *guarantees* support for models stamped with official released "
            "onnx opset versions. Opset 21 is under development and support for this is limited. "
            "Current official support for domain ai.onnx is till opset 19.",
            r"has opset 21 and it takes 19 at most; it needs onnxruntime 1\.18",
        ),
        (
            "Unsupported model IR version: 10, max supported IR version: 8",
            r"has IR version 10 and it takes 8 at most; it needs onnxruntime 1\.18",
        ),
        (
            "Unsupported model IR version: 99, max supported IR version: 12",
            "it needs the newest onnxruntime",
        ),
    ],
)
def test_a_model_that_is_too_new_says_what_it_needs(message: str, told: str) -> None:
    with pytest.raises(ConversionError, match=told):
        ask(Scripted(refused("runtime", message)), call(ArtifactError))


def test_a_crash_after_a_good_reading_is_the_runtimes() -> None:
    with pytest.raises(ConversionError, match="SIGABRT"):
        ask(Scripted(Completed(-signal.SIGABRT, b"", b"")), call())


def test_the_request_is_confined_and_single_threaded_libraries_stay_so() -> None:
    link = Scripted(answered({"fine": 1}))
    assert ask(link, call()) == {"fine": 1}
    assert link.request["memory_limit_bytes"] == 4 * 1024**3
    assert link.request["dies_with_parent"] is True
    assert link.environment["OMP_NUM_THREADS"] == "2"
    assert link.environment["PYTHONPATH"] == "/there/code"
