"""An artifact: the file that is deployed, and what its inputs and outputs are.

Travels to devices: stdlib and numpy only, Python 3.9 syntax.
"""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import numpy as np

from targets.errors import ArtifactError
from targets.onnxruntime.external import companions

SUFFIX_OF_FORMAT = {"tflite": ".tflite", "onnx": ".onnx", "openvino": ".xml"}
RUNTIME_OF_FORMAT = {"tflite": "tflite", "onnx": "onnxruntime", "openvino": "openvino"}
FORMAT_OF_RUNTIME = {runtime: name for name, runtime in RUNTIME_OF_FORMAT.items()}
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Quantization:
    """Per-tensor affine quantization: real = scale * (integer - zero_point)."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. A dynamic dimension is -1."""

    name: str
    shape: Tuple[int, ...]
    dtype: str
    quantization: Optional[Quantization] = None

    def encode(self, array: np.ndarray) -> np.ndarray:
        """The array in this tensor's dtype: quantized (round half to even, saturated) or cast."""
        if self.quantization is None:
            return np.ascontiguousarray(array, dtype=self.dtype)
        limits = np.iinfo(np.dtype(self.dtype))
        scaled = np.rint(array / self.quantization.scale) + self.quantization.zero_point
        return np.ascontiguousarray(np.clip(scaled, limits.min, limits.max), dtype=self.dtype)

    def decode(self, array: np.ndarray) -> np.ndarray:
        """Float32 values of a quantized tensor; any other array as it is."""
        if self.quantization is None:
            return array
        centred = array.astype(np.int32) - self.quantization.zero_point
        return (centred * self.quantization.scale).astype(np.float32)


def encode_all(specs: Sequence[TensorSpec], arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
    """All inputs in their tensors' own dtypes.

    Raises ArtifactError where their number or a shape is not the model's.
    """
    if len(arrays) != len(specs):
        raise ArtifactError(f"the model takes {len(specs)} inputs, found {len(arrays)}")
    for spec, array in zip(specs, arrays):
        if tuple(array.shape) != spec.shape:
            raise ArtifactError(
                f"input '{spec.name}' has the shape {spec.shape}, found {tuple(array.shape)}"
            )
    return [spec.encode(array) for spec, array in zip(specs, arrays)]


def decode_all(specs: Sequence[TensorSpec], arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
    """All outputs as values: quantized ones as float32."""
    return [spec.decode(array) for spec, array in zip(specs, arrays)]


@dataclass(frozen=True)
class Artifact:
    """A model file. Size and sha256 cover all of its files (an OpenVINO .xml has a .bin)."""

    path: Path
    format: str
    sha256: str
    size_bytes: int
    inputs: Tuple[TensorSpec, ...]
    outputs: Tuple[TensorSpec, ...]

    @property
    def runtime(self) -> str:
        """The name of the runtime that runs this format."""
        return RUNTIME_OF_FORMAT[self.format]


def format_of(path: Path) -> str:
    """The format that a model file's suffix names.

    Raises ArtifactError for a suffix of no known format.
    """
    for name, suffix in SUFFIX_OF_FORMAT.items():
        if path.suffix == suffix:
            return name
    allowed = ", ".join(sorted(SUFFIX_OF_FORMAT.values()))
    raise ArtifactError(f"{path}: '{path.suffix}' is no model format; allowed: {allowed}")


def files_of(path: Path) -> List[Path]:
    """All files of the model at path, the named one first.

    Raises ArtifactError where one is missing, or where an .onnx keeps its weights outside its
    folder.
    """
    _check_present(path, path)
    others = [path.with_suffix(".bin")] if path.suffix == ".xml" else []
    if path.suffix == ".onnx":
        others = companions(path)
    for file in others:
        _check_present(file, path)
    return [path, *others]


def _check_present(file: Path, model: Path) -> None:
    if not file.is_file():
        raise ArtifactError(f"{file}: no such file; the model at {model.name} needs it")


def digest(files: List[Path]) -> Tuple[str, int]:
    """The sha256 over all files (each file's own digest, in order) and their size in bytes."""
    found = [_hashed(file) for file in files]
    size_bytes = sum(size for _, size in found)
    if len(found) == 1:
        return found[0][0].hex(), size_bytes
    return hashlib.sha256(b"".join(one for one, _ in found)).hexdigest(), size_bytes


def _hashed(file: Path) -> Tuple[bytes, int]:
    """A file's sha256 and size; read in pieces, since it may be larger than memory."""
    found, size_bytes = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while True:
            piece = stream.read(_PIECE_BYTES)
            if not piece:
                return found.digest(), size_bytes
            found.update(piece)
            size_bytes += len(piece)


def gzipped_bytes(files: List[Path]) -> int:
    """The size of all files together once compressed, as archives and downloads are."""
    content = b"".join(file.read_bytes() for file in files)
    return len(gzip.compress(content, compresslevel=9, mtime=0))
