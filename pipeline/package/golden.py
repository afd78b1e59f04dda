"""Golden vectors: inputs, and the outputs that the artifact gave for them on the desk."""

import io
from dataclasses import dataclass

import numpy as np

from targets.artifact import Artifact, TensorSpec
from targets.errors import UsageError

FLOAT_TOLERANCE = 1e-3
"""Of the largest golden value, or of 1 where that is larger."""

LEVELS = 256
ROUNDING = 1e-5
"""What float32 arithmetic on a decoded value may add to one step of its grid, relatively."""


@dataclass(frozen=True)
class Golden:
    """Samples as they are handed to and come from a session: real values, not encoded.

    Attributes:
        inputs: an array for each input, samples stacked on axis 0: (N, *shape[1:]).
        outputs: an array for each output, likewise, from the same runtime as the package's.
        steps: for each output the real size of one LSB, where the model hands an int8 result over
            as floats and the step is known; 0 where it is not. Empty: none is known.
        sources: what the app has of the same samples, an array for each input, before the task's
            preprocessing; empty where the task declares none.
    """

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    steps: tuple[float, ...] = ()
    sources: tuple[np.ndarray, ...] = ()

    def check(self, artifact: Artifact) -> None:
        """Raises UsageError where the arrays do not fit the artifact, or hold NaN."""
        _fit(self.inputs, artifact.inputs, "input")
        _fit(self.outputs, artifact.outputs, "output")
        if self.sources and len(self.sources) != len(self.inputs):
            told = f"golden vectors: {len(self.sources)} sources"
            raise UsageError(f"{told} for {len(self.inputs)} inputs")
        if len({len(array) for array in (*self.inputs, *self.outputs, *self.sources)}) != 1:
            raise UsageError("golden vectors: the arrays hold different numbers of samples")

    def tolerances(self, artifact: Artifact) -> tuple[float, ...]:
        """The largest absolute difference allowed in each output.

        One LSB of a quantized output, or of one whose values lie on a grid of at most 256 levels;
        else FLOAT_TOLERANCE.
        """
        steps = self.steps or (0.0,) * len(self.outputs)
        pairs = zip(artifact.outputs, self.outputs, steps, strict=True)
        return tuple(_tolerance(spec, array, step) for spec, array, step in pairs)


def _fit(arrays: tuple[np.ndarray, ...], specs: tuple[TensorSpec, ...], what: str) -> None:
    if len(arrays) != len(specs):
        raise UsageError(f"golden vectors: {len(arrays)} {what}s; the model has {len(specs)}")
    for array, spec in zip(arrays, specs, strict=True):
        if array.shape[1:] != spec.shape[1:] or not len(array):
            raise UsageError(
                f"golden vectors: {what} '{spec.name}' has shape {array.shape}; "
                f"needed (N, {', '.join(str(size) for size in spec.shape[1:])}), N at least 1"
            )
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise UsageError(f"golden vectors: {what} '{spec.name}' is not all finite numbers")


def _tolerance(spec: TensorSpec, array: np.ndarray, step: float) -> float:
    if spec.quantization is not None:
        return spec.quantization.scale * (1 + ROUNDING)
    if array.dtype.kind != "f":
        return 1.0 if np.dtype(spec.dtype).itemsize == 1 else 0.0
    largest = float(np.abs(array).max())
    real = FLOAT_TOLERANCE * max(1.0, largest)
    return max(real, (step or grid_step(array) or 0.0) + ROUNDING * largest)


def grid_step(array: np.ndarray) -> float | None:
    """The step of the grid that decoded int8 values lie on, or None for free float values.

    The least distance of two values is the step if every distance is a whole multiple of it, and
    they span no more levels than 8 bits have. Too few distinct values prove nothing.
    """
    values = np.unique(array.astype(np.float64))
    if len(values) < 8:
        return None
    gaps = np.diff(values)
    noise = ROUNDING * float(np.abs(values).max())
    step = float(gaps[gaps > noise].min(initial=np.inf))
    levels = (values - values[0]) / step
    if levels[-1] >= LEVELS or np.abs(levels - np.rint(levels)).max() > 0.01:
        return None
    return step


def npy(array: np.ndarray) -> bytes:
    """An array as the bytes of a .npy file, the same on every machine."""
    stream = io.BytesIO()
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    np.lib.format.write_array(stream, little, version=(1, 0), allow_pickle=False)
    return stream.getvalue()
