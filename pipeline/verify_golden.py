"""The model of a package run on its golden inputs, in a limited process of its own."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.package.interface import Port
from pipeline.package.manifest import NAME, Manifest, Vector
from pipeline.package.opening import Opened
from pipeline.verify_arrays import MOST_BYTES, Malformed, read_array
from pipeline.verify_contract import contradicted, meaning
from pipeline.verify_difference import Difference
from targets import device
from targets.artifact import RUNTIME_OF_FORMAT, Artifact, TensorSpec
from targets.errors import ArtifactError, ConversionError
from targets.occupancy import Tell, occupied
from targets.target import Target, find

MEMORY_LIMIT_BYTES = 2 * 10**9
"""Of the process that runs the model: a file of a stranger may declare anything."""


@dataclass(frozen=True)
class Reproduced:
    """One output: how far from golden its furthest value is, and how far it may be."""

    name: str
    worst: float
    tolerance: float


@dataclass(frozen=True)
class Ran:
    """What running the golden vectors showed; nothing where they were not run.

    Attributes:
        samples: how many were run.
        runtime: what ran them, with its version.
        outputs: those that are as they should be.
        differences: what is not.
    """

    samples: int = 0
    runtime: str = ""
    outputs: tuple[Reproduced, ...] = ()
    differences: tuple[Difference, ...] = ()


def run_golden(package: Opened, manifest: Manifest, say: Tell) -> Ran:
    """Runs the golden vectors of a package whose files are as its manifest says.

    Waits, having said so, while another job uses this machine: it may be measuring.

    Raises EnvironmentFault where this machine lacks the model's runtime, and DeviceUnreachable
    where no process answers.
    """
    try:
        arrays = _arrays(package, manifest)
        with occupied(device.load("host").seat, say):
            return _run(package, manifest, arrays)
    except Malformed as error:
        return Ran(differences=(Difference(error.where, error.what),))
    except (ArtifactError, ConversionError) as error:
        said = str(error).replace(f"{package.root}/", "")
        return Ran(differences=(Difference(manifest.model.path, f"can't be run: {said}"),))


@dataclass(frozen=True)
class _Arrays:
    """The golden vectors."""

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    tolerances: tuple[float, ...]


def _arrays(package: Opened, manifest: Manifest) -> _Arrays:
    golden = manifest.golden
    _bear(package, (*golden.inputs, *golden.outputs))
    inputs = _read(package, golden.inputs, manifest.inputs, golden.samples)
    outputs = _read(package, golden.outputs, manifest.outputs, golden.samples)
    tolerances = tuple(_tolerance(one) for one in golden.outputs)
    return _Arrays(inputs, outputs, tolerances)


def _bear(package: Opened, vectors: tuple[Vector, ...]) -> None:
    """Raises Malformed for more than is bearable in memory, all together."""
    held = [package.files[one.path].size_bytes for one in vectors if one.path in package.files]
    if sum(held) > MOST_BYTES:
        raise Malformed(NAME, f"has golden vectors of {sum(held):,} bytes; allowed: {MOST_BYTES:,}")


def _read(
    package: Opened, vectors: tuple[Vector, ...], ports: tuple[Port, ...], samples: int
) -> tuple[np.ndarray, ...]:
    """An array for each tensor, of the shape that the manifest states."""
    if len(vectors) != len(ports) or not ports:
        raise Malformed(NAME, f"has {len(vectors)} golden arrays for {len(ports)} ports")
    found = []
    for vector, port in zip(vectors, ports, strict=True):
        member = package.files.get(vector.path)
        if member is None:
            raise Malformed(NAME, f"uses '{vector.path}', which it does not list")
        array = read_array(member.path, vector.path)
        if array.shape[:1] != (samples,) or array.shape[1:] != port.shape[1:]:
            expected = (samples, *port.shape[1:])
            raise Malformed(vector.path, f"has shape {array.shape}; '{port.name}' needs {expected}")
        found.append(array)
    return tuple(found)


def _tolerance(vector: Vector) -> float:
    if vector.tolerance is None or vector.tolerance < 0:
        raise Malformed(NAME, f"states no tolerance for '{vector.path}'")
    return vector.tolerance


def _run(package: Opened, manifest: Manifest, arrays: _Arrays) -> Ran:
    target = _target(manifest.model.format)
    described = target.describe(package.files[manifest.model.path].path)
    differences = tuple(contradicted(manifest, described.artifact))
    if differences:
        return Ran(differences=differences)
    found = _inferred(target, described.artifact, manifest, arrays.inputs)
    pairs = zip(manifest.outputs, found, arrays.outputs, arrays.tolerances, strict=True)
    compared = [_compared(*each) for each in pairs]
    return Ran(
        samples=manifest.golden.samples,
        runtime=described.runtime_version,
        outputs=tuple(one for one in compared if isinstance(one, Reproduced)),
        differences=tuple(one for one in compared if isinstance(one, Difference)),
    )


def _target(model_format: str) -> Target:
    runtime = RUNTIME_OF_FORMAT.get(model_format)
    if runtime is None:
        known = ", ".join(sorted(RUNTIME_OF_FORMAT))
        raise Malformed(NAME, f"has a model of format '{model_format}'; known: {known}")
    return replace(find(device.load("host"), runtime), memory_limit_bytes=MEMORY_LIMIT_BYTES)


def _inferred(
    target: Target, artifact: Artifact, manifest: Manifest, inputs: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """Real values out for real values in."""
    coded = _codings(manifest.inputs, artifact.inputs)
    entered = [own.encode(one) if own else one for own, one in zip(coded, inputs, strict=True)]
    left = target.infer(artifact, entered)
    coded = _codings(manifest.outputs, artifact.outputs)
    return [own.decode(one) if own else one for own, one in zip(coded, left, strict=True)]


def _codings(ports: tuple[Port, ...], specs: tuple[TensorSpec, ...]) -> list[TensorSpec | None]:
    """What encodes or decodes each tensor whose file does not say how its integers are meant, as
    ONNX can't; None where the runtime does it or nothing has to."""
    pairs = zip(ports, specs, strict=True)
    return [None if spec.quantization else meaning(port) for port, spec in pairs]


def _compared(
    port: Port, found: np.ndarray, golden: np.ndarray, tolerance: float
) -> Reproduced | Difference:
    """An output beside its golden one; a value that is no number is never near enough."""
    if found.shape != golden.shape:
        return Difference(f"output '{port.name}'", f"has shape {found.shape}, not {golden.shape}")
    apart = np.abs(found.astype(np.float64) - golden.astype(np.float64))
    apart = np.where(np.isfinite(apart), apart, np.inf)
    worst = float(np.max(apart, initial=0.0))
    if worst <= tolerance:
        return Reproduced(port.name, worst, tolerance)
    sample = int(np.argmax(apart.reshape(len(apart), -1).max(axis=1)))
    what = f"is {worst:.6g} from golden in sample {sample}; allowed is {tolerance:.6g}"
    return Difference(f"output '{port.name}'", what)
