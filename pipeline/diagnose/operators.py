"""The rule on operators that a runtime has no kernel for."""

import re
from collections.abc import Iterator

from pipeline.diagnose.case import Case
from pipeline.diagnose.finding import Finding
from pipeline.package.mcu.operators import RESOLVER

CURES = {
    "onnxruntime": "export at another opset, write it with standard operators, or move it behind "
    "the model",
    "openvino": "write it with operators of an opset, or add an extension to the app's runtime",
    "tflite": "convert with built-in operators alone (no custom and no Flex ones)",
}
_NAMED = re.compile(r"operation with type: (\w+)")
"""How OpenVINO names an operator that no opset has."""
MICRO = "replace it; tflite-micro has no kernel of it"


def find(case: Case) -> Iterator[Finding]:
    """Operators without a kernel, of a file that is refused or whose device can't be asked."""
    if case.profile.link == "none":
        yield from _micro(case)
    elif case.refused:
        yield from _refused(case)


def _micro(case: Case) -> Iterator[Finding]:
    """A device that nobody can ask is a microcontroller: what its interpreter has is a list."""
    if case.runtime == "tflite":
        missing = tuple(
            dict.fromkeys(one.type for one in case.operators if one.type not in RESOLVER)
        )
        if missing:
            found = f"tflite-micro lacks {', '.join(missing)}"
            yield Finding("missing-operator", "error", found, MICRO, missing)


def _refused(case: Case) -> Iterator[Finding]:
    missing = _unknown(case)
    if missing:
        found = f"{case.runtime} on this device has no kernel for {', '.join(missing)}"
        yield Finding("missing-operator", "error", found, CURES[case.runtime], missing)


def _unknown(case: Case) -> tuple[str, ...]:
    """All that are known of: a runtime names the first one only."""
    if case.runtime == "onnxruntime":
        return case.work.missing if case.work else ()
    foreign = (one.type for one in case.operators if one.domain)
    return tuple(dict.fromkeys([*_NAMED.findall(case.refused), *foreign]))
