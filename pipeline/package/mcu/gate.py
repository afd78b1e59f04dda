"""Whether a microcontroller can take the model: requirements met or not, each with its cure."""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from pipeline.package.golden import Golden
from pipeline.package.manifest import Section
from pipeline.package.mcu.arena import MARGIN_PERCENT, Interpreted
from pipeline.package.mcu.operators import RESOLVER
from targets.artifact import Artifact
from targets.device import DeviceProfile

Status = Literal["PASS", "FAIL", "UNVERIFIED"]
_WORST_FIRST: tuple[Status, ...] = ("FAIL", "UNVERIFIED", "PASS")
_SHOWN = 5


class GateLine(Section):
    """One requirement: what is allowed and what was found; with a cure where they differ."""

    requirement: str
    allowed: str
    found: str
    status: Status
    cure: str = ""


class Gate(Section):
    """All requirements for one device; its status is its worst line's."""

    device: str
    status: Status
    lines: tuple[GateLine, ...]


def gate(artifact: Artifact, golden: Golden, seen: Interpreted, device: DeviceProfile) -> Gate:
    """Judges a model that tflite-micro runs by what it holds and by the device's limits.

    Args:
        artifact: the .tflite model.
        golden: inputs, and the outputs that LiteRT gave for them.
        seen: what tflite-micro made of the same inputs.
        device: its budget limits the arena (peak_memory_mb) and the model's flash (size_kb).
    """
    lines = (*_file(seen), *_outputs(artifact, golden, seen), *_limits(artifact, seen, device))
    status = next(one for one in _WORST_FIRST if one in {line.status for line in lines})
    return Gate(device=device.name, status=status, lines=lines)


def _file(seen: Interpreted) -> Iterable[GateLine]:
    file = seen.file
    ends = sorted({*file.inputs, *file.outputs} - {"INT8"})
    yield _none("inputs and outputs", ends, "int8 only", "quantize with `io: int8`")
    yield _none("floating-point tensors", file.floats, "none", "quantize the whole model to int8")
    yield _none("tensors without a fixed shape", file.dynamic, "none", "export with fixed shapes")
    missing = [one for one in file.operators if one not in RESOLVER]
    yield _none("operators that the resolver lacks", missing, "none", "register them by hand")


def _none(requirement: str, found: Iterable[str], allowed: str, cure: str) -> GateLine:
    """A line that passes where nothing was found."""
    names = [one or "(unnamed)" for one in found]
    if not names:
        return GateLine(requirement=requirement, allowed=allowed, found=allowed, status="PASS")
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    told = ", ".join(names[:_SHOWN]) + rest
    return GateLine(requirement=requirement, allowed=allowed, found=told, status="FAIL", cure=cure)


def _outputs(artifact: Artifact, golden: Golden, seen: Interpreted) -> Iterable[GateLine]:
    """One line for each output: what the model was scored by, beside what tflite-micro gives."""
    tolerances = golden.tolerances(artifact)
    for index, spec in enumerate(artifact.outputs):
        real = spec.decode(seen.outputs[index]).astype(np.float64)
        apart = np.abs(real - golden.outputs[index])
        worst = float(apart.max(initial=0.0))
        half_step = spec.quantization.scale / 2 if spec.quantization else 0.0
        equal = int((apart <= half_step).sum())
        same = worst <= tolerances[index]
        yield GateLine(
            requirement=f"LiteRT's outputs, output {index}",
            allowed=f"within {tolerances[index]:.4g}",
            found=f"within {worst:.4g}; {equal} of {apart.size} are the same",
            status="PASS" if same else "FAIL",
            cure=""
            if same
            else "its kernels compute something else than LiteRT's: tell its makers",
        )


def _limits(artifact: Artifact, seen: Interpreted, device: DeviceProfile) -> Iterable[GateLine]:
    limits = device.budget.limits()
    arena = f"arena with {MARGIN_PERCENT}% to spare"
    yield _limit(
        arena, seen.recommended_bytes, limits.get("peak_memory_mb"), 1_000_000,
        "prune the layers with the largest activations, or take smaller inputs",
    )  # fmt: skip
    yield _limit(
        "model in flash, without tflite-micro's code", artifact.size_bytes, limits.get("size_kb"),
        1_000, "prune, or share weights",
    )  # fmt: skip


def _limit(what: str, found_bytes: int, limit: object, unit_bytes: int, cure: str) -> GateLine:
    found = f"{found_bytes} bytes"
    if not isinstance(limit, int | float):
        return GateLine(
            requirement=what,
            allowed="the device's profile states no limit",
            found=found,
            status="UNVERIFIED",
            cure="state peak_memory_mb and size_kb in the profile's budget",
        )
    allowed = round(limit * unit_bytes)
    fits = found_bytes <= allowed
    return GateLine(
        requirement=what,
        allowed=f"{allowed} bytes",
        found=found,
        status="PASS" if fits else "FAIL",
        cure="" if fits else cure,
    )
