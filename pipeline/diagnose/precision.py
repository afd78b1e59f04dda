"""Rules on the types that a model computes in."""

from collections.abc import Iterator, Sequence

from pipeline.diagnose.case import Case, counted
from pipeline.diagnose.cures import cure
from pipeline.diagnose.finding import Finding
from targets.device import DeviceProfile
from targets.execution import EIGHT_BIT, FLOATING
from targets.measurement import ExecutedOp

ARM = ("aarch64", "arm")
DYNAMIC = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
"""ONNX Runtime's operators that find a range while they run."""
STATIC = "quantize statically, with calibration data (steps: [quantize: {scheme: int8}])"


def find(case: Case) -> Iterator[Finding]:
    """Float operators among integer ones; and what the device makes of 8 bits at all."""
    yield from _dynamic(case)
    if not case.quantized:
        yield from _float_model(case)
        return
    yield from _leftovers(case)
    yield from _slow(case)
    yield from _signed(case)


def _leftovers(case: Case) -> Iterator[Finding]:
    """One finding per kind, those that multiply most first."""
    leftovers = case.execution.float_leftovers if case.execution else ()
    kinds = dict.fromkeys(one.type for one in sorted(leftovers, key=lambda one: -(one.macs or 0)))
    for kind in kinds:
        alike = [one for one in leftovers if one.type == kind]
        found = f"{counted([kind] * len(alike))} in {alike[0].dtype}{_share(case, alike)}"
        names = tuple(one.name for one in alike)
        yield Finding("float-operator", "warning", found, cure([kind]), names)


def _share(case: Case, operators: Sequence[ExecutedOp]) -> str:
    """Of the model's multiplications, where they have any."""
    total = case.execution.macs if case.execution else None
    macs = sum(one.macs or 0 for one in operators)
    return f", {macs / total:.0%} of all multiplications" if total and macs else ""


def _dynamic(case: Case) -> Iterator[Finding]:
    dynamic = [one for one in case.executed if one.type in DYNAMIC]
    if dynamic:
        names = tuple(one.name for one in dynamic)
        found = f"{counted(one.type for one in dynamic)} find ranges at every inference"
        yield Finding("dynamic-quantization", "warning", found, STATIC, names)
    hybrid = [one for one in case.operators if _is_hybrid(case, one.inputs)]
    if hybrid and case.runtime == "tflite":
        kinds = counted(one.type for one in hybrid)
        found = f"{kinds} multiply float data by 8-bit weights, and quantize the data each time"
        names = tuple(one.name for one in hybrid)
        yield Finding("dynamic-quantization", "warning", found, STATIC, names)


def _is_hybrid(case: Case, inputs: Sequence[str]) -> bool:
    if len(inputs) < 2:
        return False
    data, weight = (case.tensor(key) for key in inputs[:2])
    return data.dtype in FLOATING and weight.dtype in EIGHT_BIT and weight.constant


def _float_model(case: Case) -> Iterator[Finding]:
    fast = _fast(case.profile).get(case.runtime, ())
    if "int8" in fast and case.work and case.work.macs:
        found = (
            f"{case.work.macs / 1e6:.3g} million multiplications in float; {case.profile.name} has "
            f"8-bit instructions that {case.runtime} uses"
        )
        cure = (
            "quantize it (steps: [quantize: {scheme: int8}]) and compare with `edgesmith compare`"
        )
        yield Finding("float-model", "note", found, cure)


def _slow(case: Case) -> Iterator[Finding]:
    fast = _fast(case.profile)
    stated = fast.get(case.runtime)
    on_arm = case.runtime == "openvino" and case.profile.arch.startswith(ARM)
    if on_arm:
        found = "OpenVINO computes 8 bits as float16 on Arm"
    elif stated is not None and "int8" not in stated:
        found = f"{case.profile.name} has no 8-bit instructions that {case.runtime} uses"
    else:
        return
    others = [name for name in case.profile.runtimes if name != case.runtime]
    instead = [name for name in others if "int8" in fast.get(name, ())]
    cure = f"convert it for {' or '.join(instead)}" if instead else "compare with the float model"
    yield Finding("slow-int8", "warning", found, f"{cure} (`edgesmith compare`)")


def _fast(profile: DeviceProfile) -> dict[str, tuple[str, ...]]:
    """Precisions that the device has instructions for, by runtime."""
    return {str(name): precisions for name, precisions in profile.accelerates.items()}


def _signed(case: Case) -> Iterator[Finding]:
    signed = [
        one for one in case.executed if one.type.startswith("QLinear") and one.dtype == "int8"
    ]
    if signed and case.profile.activations_for(case.runtime) == "uint8":
        found = (
            f"{len(signed)} operators take int8 activations; this processor is faster with uint8"
        )
        cure = "quantize with activation_type=QuantType.QUInt8 (quantize: {activations: uint8})"
        yield Finding("signed-activations", "warning", found, cure, tuple(o.name for o in signed))
