"""Whether the tensors that a manifest tells an app of are those that the model file has."""

from collections.abc import Iterator

import numpy as np

from pipeline.package.interface import Port
from pipeline.package.manifest import NAME, Manifest
from pipeline.verify_difference import Difference
from targets.artifact import Artifact, TensorSpec


def contradicted(manifest: Manifest, artifact: Artifact) -> Iterator[Difference]:
    """Where the two disagree.

    Args:
        manifest: what is stated.
        artifact: what the runtime says of the file.
    """
    kinds = (("input", manifest.inputs, artifact.inputs),
             ("output", manifest.outputs, artifact.outputs))  # fmt: skip
    for kind, ports, specs in kinds:
        if len(ports) != len(specs):
            yield Difference(NAME, f"has {len(ports)} {kind}s; the model has {len(specs)}")
            continue
        for port, spec in zip(ports, specs, strict=True):
            stated, found = _stated(port, spec), _told(spec)
            if stated != found:
                yield Difference(NAME, f"says {kind} {stated}; the model has {found}")
            elif not _meaningful(port):
                yield Difference(NAME, f"says {kind} '{port.name}' is quantized, in a way none is")


def meaning(port: Port) -> TensorSpec | None:
    """How a tensor's integers are meant, as the manifest has it; None where it is not quantized."""
    return None if port.scale is None else port.spec


def _meaningful(port: Port) -> bool:
    """Whether its integers, if they are meant as something else, can be."""
    if port.scale is None:
        return True
    kind = np.dtype(port.dtype)
    if kind.kind not in "iu":
        return False
    limits = np.iinfo(kind)
    return port.scale > 0 and limits.min <= (port.zero_point or 0) <= limits.max


def _stated(port: Port, spec: TensorSpec) -> str:
    """The manifest's view; of the integers' meaning only where the file tells of it, too."""
    bare = TensorSpec(port.name, port.shape, port.dtype)
    return _told(port.spec if spec.quantization else bare)


def _told(spec: TensorSpec) -> str:
    facts = f"'{spec.name}' {spec.dtype} {list(spec.shape)}"
    if spec.quantization is None:
        return facts
    return f"{facts} scale {spec.quantization.scale!r} zero point {spec.quantization.zero_point}"
