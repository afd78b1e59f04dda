"""`edgesmith package`: archives for a platform, from a finished run's folder alone."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pipeline import packing
from pipeline.nearest import advice
from pipeline.package import manifest as manifests
from pipeline.package.contents import Signer
from pipeline.package.manifest import Platform
from pipeline.package.signing import signing_key
from pipeline.packing import Made
from pipeline.printing import print_json
from pipeline.report import storage
from pipeline.report.document import Report, Row
from pipeline.report.wording import size
from pipeline.terminal import Terminal
from targets.errors import UsageError

VERDICT_CODES = {"PASS": 0, "FAIL": 3}
UNDECIDED = 4
RUNTIMES: Mapping[Platform, tuple[str, ...]] = {
    "android": ("tflite", "onnxruntime"),
    "ios": ("tflite", "onnxruntime"),
    "linux": ("tflite", "onnxruntime", "openvino"),
    "mcu": ("tflite",),
}
"""What each platform can run, the one that is taken without --runtime first."""


@dataclass(frozen=True)
class Order:
    """What `package` was asked for.

    Attributes:
        run: a finished run's folder.
        platform: what for.
        runtime: the artifact's; None: the platform's first one that the run has.
        key: a private key in PEM; None: not signed.
        not_after: the last day on which the signature counts.
        out: where the archives go; None: packages/ of the run's folder.
        device: the profile whose limits a microcontroller's package is judged by.
        ai_pack: whether an Android app gets the model as a Play AI pack.
    """

    run: Path
    platform: str
    runtime: str | None = None
    key: Path | None = None
    not_after: str | None = None
    out: Path | None = None
    device: str | None = None
    ai_pack: bool = False


def package(order: Order, as_json: bool) -> int:
    """Builds the archives, prints what was made, and returns the exit code: 0, or that of a
    microcontroller's gate."""
    platform = _platform(order.platform)
    signer = _signer(order)
    build = packing.builder(platform, order.device, order.ai_pack)
    report = storage.read(order.run)
    row = _row(order, platform, report)
    archives = build(packing.delivery(order.run, report, row), signer)
    made = packing.write(archives, order.out or order.run / packing.PACKAGES)
    gate = _gate(archives) if platform == "mcu" else None
    told = _told(row, platform, made, signer, gate)
    if as_json:
        print_json(told)
    else:
        _show(row, made, signer, gate)
    return 0 if gate is None else VERDICT_CODES.get(gate, UNDECIDED)


def _platform(name: str) -> Platform:
    for one in RUNTIMES:
        if one == name:
            return one
    raise UsageError(f"--for: found '{name}'; {advice(name, RUNTIMES)}")


def _signer(order: Order) -> Signer | None:
    if order.key is not None:
        return signing_key(order.key, order.not_after)
    if order.not_after is not None:
        raise UsageError("--not-after: found a day without a key; give --sign KEY, too")
    return None


def _row(order: Order, platform: Platform, report: Report) -> Row:
    """The selected candidate that is packaged."""
    there, able = report.selected(), RUNTIMES[platform]
    usable = [one for one in able if one in there]
    wanted = order.runtime or (usable[0] if usable else "")
    if wanted in usable:
        return there[wanted]
    if order.runtime and order.runtime not in able:
        told = f"found '{order.runtime}', which {platform} packages can't hold"
        raise UsageError(f"--runtime: {told}; {advice(order.runtime, able)}")
    found = ", ".join(there) or "none"
    raise UsageError(
        f"{order.run}: has artifacts for {found}; {platform} packages need one for "
        f"{order.runtime or ' or '.join(able)}: add it to the recipe's runtimes and run it"
    )


def _gate(archives: Mapping[str, bytes]) -> str:
    """How the microcontroller's limits were judged, as the package's manifest tells."""
    ((name, content),) = archives.items()
    title = name.removesuffix("-mcu.zip")
    with zipfile.ZipFile(BytesIO(content)) as archive:
        manifest = json.loads(archive.read(f"{title}/{manifests.NAME}"))
    return str(manifest["details"]["gate"]["status"])


def _told(
    row: Row, platform: Platform, made: Sequence[Made], signer: Signer | None, gate: str | None
) -> dict[str, object]:
    assert row.verdict is not None, "a candidate is judged before it is packaged"
    return {
        "platform": platform,
        "runtime": row.runtime,
        "verdict": row.verdict.status,
        "gate": gate,
        "key_id": signer.key_id if signer else None,
        "packages": [
            {"path": str(one.path), "sha256": one.sha256, "size_bytes": one.size_bytes}
            for one in made
        ],
    }


def _show(row: Row, made: Sequence[Made], signer: Signer | None, gate: str | None) -> None:
    console = Terminal()
    for one in made:
        console.print(f"{one.path}  {size(one.size_bytes)}  sha256 {one.sha256}", soft_wrap=True)
    signed = f"signed with the key {signer.key_id}" if signer else "not signed"
    status = row.verdict.status if row.verdict else "not judged"
    console.print(f"{row.name} for {row.runtime}, judged {status}; {signed}", soft_wrap=True)
    if gate is not None:
        console.print(f"gate of the microcontroller: {gate}; MODEL_CARD.md says why")
