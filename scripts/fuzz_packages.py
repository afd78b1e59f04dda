"""Whole packages of the seed models, as the product makes them, and archives of any files."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from pipeline.package.archive import tar_gz, zipped
from pipeline.package.contents import Delivery, Notes, common, sealed
from pipeline.package.golden import Golden
from pipeline.package.interface import Interface, described
from pipeline.package.linux.deb import deb
from pipeline.package.manifest import Runtime, checksums
from pipeline.processing.before import Layout, Normalize, Resize, Scale
from pipeline.processing.prepare import prepare
from pipeline.processing.sources import Image
from pipeline.report.document import MeasurementSummary, RowVerdict
from targets import device
from targets.artifact import RUNTIME_OF_FORMAT, Artifact, format_of
from targets.target import find

Files = dict[str, bytes]
TITLE = "seed"
CONTROL = b"Package: seed\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: s\n"
SOURCE = Image(color="rgb")
STEPS = (
    Resize(height=16, width=16, method="bilinear"),
    Scale(factor=1 / 255, offset=0.0),
    Normalize(mean=(0.5, 0.4, 0.5), std=(0.2,)),
    Layout(to="CHW"),
)
UNKNOWN = {"unavailable": "not measured"}

ARCHIVES: Mapping[str, Callable[[Files], bytes]] = {
    "seed.tar.gz": lambda files: tar_gz(TITLE, files),
    "seed.zip": lambda files: zipped(files, TITLE),
    "seed.deb": lambda files: deb(
        files["debian/control"],
        {f"opt/edgesmith/{TITLE}/{path}": content for path, content in files.items()},
    ),
}


def package_files(model: Path) -> Files:
    """The files of a package of this model."""
    delivery = _delivery(model)
    runtime = Runtime(
        name=delivery.artifact.runtime, distribution=delivery.artifact.runtime, least_version="1"
    )
    files = {**common(delivery, []), "debian/control": CONTROL}
    return sealed(delivery, files, platform="linux", runtime=runtime, usage="")


def _delivery(model: Path) -> Delivery:
    target = find(device.load("host"), RUNTIME_OF_FORMAT[format_of(model)])
    artifact = target.describe(model).artifact
    sources = np.random.default_rng(0).integers(0, 256, (2, 20, 18, 3)).astype(np.uint8)
    inputs = (prepare(sources, SOURCE, STEPS),)
    golden = Golden(inputs, tuple(target.infer(artifact, inputs)), sources=(sources,))
    return Delivery(
        name=TITLE,
        title=TITLE,
        artifact=artifact,
        golden=golden,
        description="A seed.",
        measurement=_measurement(),
        verdict=RowVerdict.model_validate({"status": "UNVERIFIED", "lines": []}),
        lineage=("dense",),
        notes=Notes(),
        interface=_interface(artifact),
    )


def _interface(artifact: Artifact) -> Interface:
    bare = described(TITLE, artifact)
    entry = bare.inputs[0].model_copy(update={"source": SOURCE, "preprocess": STEPS})
    return bare.model_copy(update={"inputs": (entry,)})


def _measurement() -> MeasurementSummary:
    names = ("peak_memory_mb", "load_ms", "first_inference_ms", "energy_mj")
    return MeasurementSummary.model_validate(
        {
            "latency_ms": dict.fromkeys(("p50", "p90", "p95", "p99"), UNKNOWN),
            **dict.fromkeys(names, UNKNOWN),
            "provenance": "measured-host",
            "conditions": {},
            "samples_path": None,
        }
    )


def resealed(files: Files) -> Files:
    """The files with digests that fit them, so that only what they say can be wrong."""
    manifest = json.loads(files["manifest.json"])
    for one in manifest["files"]:
        content = files[one["path"]]
        one |= {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
    model = manifest["model"]
    names = [model["path"], model["path"].replace(".xml", ".bin")]
    digests = [sha256(files[name]).digest() for name in dict.fromkeys(names)]
    whole = digests[0] if len(digests) == 1 else sha256(b"".join(digests)).digest()
    size_bytes = sum(len(files[name]) for name in dict.fromkeys(names))
    model |= {"sha256": whole.hex(), "size_bytes": size_bytes}
    return with_manifest(files, json.dumps(manifest).encode())


def with_manifest(files: Files, manifest: bytes) -> Files:
    """The files with another manifest, and the checksum that fits it."""
    digests = {"manifest.json": sha256(manifest).hexdigest()}
    return {**files, "manifest.json": manifest, "manifest.json.sha256": checksums(digests)}
