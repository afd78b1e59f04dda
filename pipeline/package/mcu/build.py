"""Builds the microcontroller package of one artifact: C++ source, figures and the gate."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from pipeline.package.archive import zipped
from pipeline.package.contents import Delivery, Signer, common, sealed
from pipeline.package.golden import Golden
from pipeline.package.manifest import Runtime, Section
from pipeline.package.markdown import plain
from pipeline.package.mcu.arena import Interpreted, interpreted
from pipeline.package.mcu.gate import Gate, gate
from pipeline.package.mcu.npu import SYSTEMS, NpuFigures, npu_figures
from pipeline.package.mcu.source import sources
from pipeline.package.sbom import Library
from pipeline.processing.sources import Audio
from pipeline.report.document import Unavailable
from targets import device as devices
from targets.errors import UsageError

DEVICE = "cortex-m"
RUNTIME = "tflite-micro"


class Arena(Section):
    """The interpreter's memory: found on this machine, with 8-byte pointers and plain kernels."""

    least_bytes: int
    recommended_bytes: int
    provenance: str = "measured-host"


class Microcontroller(Section):
    """What the manifest's `details` hold for this platform."""

    operators: tuple[str, ...]
    arena: Arena
    gate: Gate
    npu: tuple[NpuFigures | Unavailable, ...]


def build(delivery: Delivery, signer: Signer | None, device: str = DEVICE) -> dict[str, bytes]:
    """TITLE-mcu.zip, by its name: made also where the gate fails, which its manifest tells.

    Args:
        delivery: what is packaged.
        signer: signs the manifest.
        device: the profile whose limits the gate judges by.

    Raises:
        UsageError: the artifact is no .tflite model, or the device is unknown.
        ArtifactError: the artifact's files are missing or have changed.
        ConversionError: tflite-micro can't run the model.
        EnvironmentFault: tflite-micro is not installed.
    """
    if delivery.artifact.format != "tflite":
        raise UsageError(
            f"{delivery.title}: microcontrollers take .tflite models, this one is "
            f"{delivery.artifact.format}; package the run's artifact for tflite"
        )
    profile = devices.load(device)
    delivery.golden.check(delivery.artifact)
    seen = interpreted(delivery.artifact, delivery.golden)
    judged = gate(delivery.artifact, delivery.golden, seen, profile)
    details = _details(delivery, seen, judged)
    delivery = replace(delivery, golden=_own(delivery, seen))
    files = {**common(delivery, [_library(seen)]), **sources(delivery, seen)}
    whole = sealed(
        delivery,
        files,
        platform="mcu",
        runtime=Runtime(name=RUNTIME, distribution=RUNTIME, least_version=seen.version),
        usage=_usage(delivery, details),
        details=_json(details),
        signer=signer,
    )
    return {f"{delivery.title}-mcu.zip": zipped(whole, delivery.title)}


def _own(delivery: Delivery, seen: Interpreted) -> Golden:
    """The golden vectors with the outputs of tflite-micro, which is what a device runs.

    How they compare with LiteRT's, by which the model was scored, the gate tells.
    """
    outputs = zip(delivery.artifact.outputs, seen.outputs, strict=True)
    made = tuple(spec.decode(raw) for spec, raw in outputs)
    return replace(delivery.golden, outputs=made)


def _details(delivery: Delivery, seen: Interpreted, judged: Gate) -> Microcontroller:
    path = delivery.artifact.path
    return Microcontroller(
        operators=seen.file.operators,
        arena=Arena(least_bytes=seen.least_bytes, recommended_bytes=seen.recommended_bytes),
        gate=judged,
        npu=tuple(npu_figures(path, system) for system in SYSTEMS),
    )


def _json(details: Microcontroller) -> Mapping[str, JsonValue]:
    found: Mapping[str, JsonValue] = details.model_dump(mode="json")
    return found


def _library(seen: Interpreted) -> Library:
    """tflite-micro is taken as source: the commit that its wheel was made from, where it tells."""
    return Library("github", "tensorflow/tflite-micro", seen.commit or seen.version)


def _usage(delivery: Delivery, details: Microcontroller) -> str:
    arena = details.arena
    rows = [
        f"| {plain(one.requirement)} | {plain(one.allowed)} | {plain(one.found)} | {one.status} | "
        f"{plain(one.cure)} |"
        for one in details.gate.lines
    ]
    return "\n".join(
        [
            "Compile `src/*.cc` with tflite-micro: `src/self_test.cc` is a `main` that runs the "
            "golden vectors on the device and prints whether it passed. `src/model.h` has the "
            "arena's size and the scales, `src/operators.h` the resolver. The golden outputs are "
            "tflite-micro's own; the gate tells how far they are from LiteRT's.",
            "",
            f"The interpreter ran the model in {arena.least_bytes} bytes of arena on x86-64, and "
            f"not in one less; reserve {arena.recommended_bytes}. Nothing was measured on a "
            "microcontroller: latency and memory above are those of the run's device.",
            *_processing(delivery),
            "",
            f"Gate for {plain(details.gate.device)}: **{details.gate.status}**.",
            "",
            "| requirement | allowed | found | status | cure |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            *_npu_rows(details),
        ]
    )


def _processing(delivery: Delivery) -> list[str]:
    """That the source does no more than run the model, where a task declares more."""
    entries, exits = delivery.interface.inputs, delivery.interface.outputs
    told = []
    if any(one.preprocess for one in entries) or any(one.postprocess for one in exits):
        told = ["What manifest.json states as `preprocess` and `postprocess`, the app does."]
    if any(isinstance(one.source, Audio) and one.source.dtype == "int16" for one in entries):
        told.append("Audio of 16 bits the app divides by 32768 first.")
    return ["", *told] if told else []


def _npu_rows(details: Microcontroller) -> list[str]:
    titles = "| NPU (modelled by Vela) | inference ms | SRAM bytes | on the NPU | on the CPU |"
    rows = [_npu_row(one) for one in details.npu if isinstance(one, NpuFigures)]
    reasons = [plain(one.unavailable) for one in details.npu if isinstance(one, Unavailable)]
    table = ["", titles, "| --- | --- | --- | --- | --- |", *rows] if rows else []
    return [*table, *(f"\nNo figures of an NPU: {one}." for one in dict.fromkeys(reasons))]


def _npu_row(one: NpuFigures) -> str:
    rejected = f" ({', '.join(one.rejected)})" if one.rejected else ""
    return (
        f"| {one.on.accelerator} | {one.inference_ms:.4g} | {one.sram_bytes} | "
        f"{one.npu_operators} | {one.cpu_operators}{rejected} |"
    )
