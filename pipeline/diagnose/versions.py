"""Rules on runtimes that are older than the file."""

import re
from collections.abc import Iterator

from pipeline.diagnose.case import Case
from pipeline.diagnose.finding import Finding
from targets.onnxruntime.releases import MOBILE_IR, MOBILE_OPSET, MOBILE_RELEASE, release_of

EXPORT = (
    "export at a lower opset (torch.onnx.export(..., opset_version={opset})), or convert: "
    "onnx.version_converter.convert_version(model, {opset})"
)
_VERSION = re.compile(r"^onnxruntime\S* v?(\d+)\.(\d+)")


def find(case: Case) -> Iterator[Finding]:
    """Only .onnx files ask for a version that can be compared; other runtimes say so themselves."""
    if case.runtime != "onnxruntime" or case.work is None:
        return
    opset = case.work.opsets.get("", case.work.opsets.get("ai.onnx", 0))
    yield from _than_runtime(case, opset)
    if opset > MOBILE_OPSET or case.work.ir_version > MOBILE_IR:
        found = (
            f"opset {opset} and IR version {case.work.ir_version}; mobile packages of ONNX Runtime "
            f"{MOBILE_RELEASE} are known to take opset {MOBILE_OPSET} and IR version {MOBILE_IR}"
        )
        cure = EXPORT.format(opset=min(opset, MOBILE_OPSET))
        yield Finding("newer-than-mobile", "warning", found, cure)


def _than_runtime(case: Case, opset: int) -> Iterator[Finding]:
    """A runtime that was described elsewhere can be older than what described the file."""
    told = case.description.runtime_version if case.description else ""
    there, least = _VERSION.match(told), release_of(opset)
    if there is None or least is None:
        return
    if (int(there[1]), int(there[2])) < tuple(map(int, least.split("."))):
        found = f"opset {opset} asks for onnxruntime {least}; the device has {told}"
        cure = EXPORT.format(opset="LOWER") + f", or install onnxruntime {least} there"
        yield Finding("newer-than-runtime", "error", found, cure)
