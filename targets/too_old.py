"""What a runtime needs to be for a model that is newer than it, read off the runtime's refusal."""

import re
from collections.abc import Callable

from targets.onnxruntime.releases import RELEASE_OF_IR, RELEASE_OF_OPSET


def needed(message: str) -> str:
    """What the runtime would have to be, in words; "" where the message tells of no such thing."""
    for pattern, told in _REFUSALS:
        found = pattern.search(message)
        if found:
            return told(found)
    return ""


def _operator(found: re.Match[str]) -> str:
    return (
        "the device's runtime is too old: the model "
        f"needs a TFLite with version {found[2]} of {found[1]}, so a newer ai-edge-litert"
    )


def _opset(found: re.Match[str]) -> str:
    return _onnx(f"opset {found[1]}", f"{found[2]}", RELEASE_OF_OPSET.get(int(found[1])))


def _ir(found: re.Match[str]) -> str:
    return _onnx(f"IR version {found[1]}", f"{found[2]}", RELEASE_OF_IR.get(int(found[1])))


def _onnx(wanted: str, there: str, release: str | None) -> str:
    cure = f"onnxruntime {release} or newer" if release else "the newest onnxruntime"
    return (
        f"the device's runtime is too old: the model has {wanted} and it takes {there} at most; it "
        f"needs {cure}"
    )


_REFUSALS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'"), _operator),
    (re.compile(r"Opset (\d+) is under development.*?till opset (\d+)", re.DOTALL), _opset),
    (re.compile(r"IR version: (\d+), max supported IR version: (\d+)"), _ir),
)
