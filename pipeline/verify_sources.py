"""Whether the preprocessing that a manifest states leads from golden sources to golden inputs."""

from collections.abc import Iterator

import numpy as np

from pipeline.package.golden import FLOAT_TOLERANCE
from pipeline.package.interface import InputPort
from pipeline.package.manifest import NAME, Manifest, Vector
from pipeline.package.opening import Opened
from pipeline.processing.flow import ANY, Misfit
from pipeline.processing.prepare import prepare
from pipeline.verify_arrays import Malformed, read_array
from pipeline.verify_difference import Difference


def unlike(package: Opened, manifest: Manifest) -> Iterator[Difference]:
    """The golden inputs that are not what the golden sources lead to, and why.

    A package without sources is one whose task declares no preprocessing.

    Args:
        package: files that are as its manifest says.
        manifest: what is stated.
    """
    golden = manifest.golden
    if not golden.sources:
        if any(port.preprocess for port in manifest.inputs):
            yield Difference(NAME, "states preprocessing, and has no golden sources to show it by")
        return
    if not len(golden.sources) == len(golden.inputs) == len(manifest.inputs):
        yield Difference(NAME, f"has {len(golden.sources)} golden sources")
        return
    for source, entry, port in zip(golden.sources, golden.inputs, manifest.inputs, strict=True):
        try:
            yield from _compared(package, (source, entry), port)
        except Malformed as error:
            yield Difference(error.where, error.what)
        except Misfit as misfit:
            what = f"states preprocessing of '{port.name}' that can't be done: {misfit}"
            yield Difference(NAME, what)


def _compared(
    package: Opened, vectors: tuple[Vector, Vector], port: InputPort
) -> Iterator[Difference]:
    source, entry = (_array(package, vector) for vector in vectors)
    _fit(vectors[0], source, port)
    if len(source) != len(entry):
        yield Difference(vectors[0].path, f"has {len(source)} samples of {len(entry)}")
        return
    for index, sample in enumerate(source):  # one by one: they may be large on the way
        made = prepare(sample[None], port.source, port.preprocess)
        expected = entry[index : index + 1]
        if made.shape != expected.shape:
            what = f"leads to the shape {made.shape[1:]} of '{port.name}', not {expected.shape[1:]}"
            yield Difference(vectors[0].path, what)
            return
        worst = float(np.abs(made.astype(np.float64) - expected).max(initial=0))
        allowed = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0)))
        if not worst <= allowed:
            what = f"leads to '{port.name}' {worst:.3g} from {vectors[1].path}"
            yield Difference(vectors[0].path, f"{what}; allowed {allowed:.3g}")
            return


def _array(package: Opened, vector: Vector) -> np.ndarray:
    member = package.files.get(vector.path)
    if member is None:
        raise Malformed(NAME, f"uses '{vector.path}', which it does not list")
    return read_array(member.path, vector.path)


def _fit(vector: Vector, array: np.ndarray, port: InputPort) -> None:
    """Raises Malformed for what the app would not have."""
    source = port.source
    shaped = array.ndim == 1 + len(source.shape) and all(
        stated in (ANY, found) for stated, found in zip(source.shape, array.shape[1:], strict=True)
    )
    if not shaped or array.dtype.name != source.dtype:
        found = f"{array.dtype.name} {list(array.shape[1:])}"
        told = f"holds {found}; '{port.name}' is made of {source.dtype} {list(source.shape)}"
        raise Malformed(vector.path, told)
