"""manifest.json, and the package's files as it states them.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, NoReturn
from zipfile import BadZipFile

try:
    import numpy as np
except ImportError:
    sys.stderr.write("numpy is not installed; pip install -r requirements.txt\n")
    sys.exit(7)

USAGE, WRONG, MISSING = 2, 3, 7
NAME = "manifest.json"
UNREADABLE = (
    *(OSError, ValueError, EOFError, OverflowError, MemoryError),
    *(BadZipFile, TokenError, SyntaxError),
)
"""What numpy raises at a .npy file that is damaged, or declares more than there is."""


class Failure(Exception):
    """Why something can't be done, and the exit code that a program ends with for it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def fail(code: int, message: str) -> NoReturn:
    """Raises Failure."""
    raise Failure(code, message)


@dataclass(frozen=True)
class Tensor:
    """An input or output. Quantized: real = scale * (integer - zero_point)."""

    name: str
    field: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int

    def encode(self, array: np.ndarray) -> np.ndarray:
        """Real values in the tensor's own dtype: quantized (half to even, saturated) or cast."""
        if self.scale is None:
            return np.ascontiguousarray(array, dtype=self.dtype)
        limits = np.iinfo(np.dtype(self.dtype))
        scaled = np.rint(array / self.scale) + self.zero_point
        return np.ascontiguousarray(np.clip(scaled, limits.min, limits.max), dtype=self.dtype)

    def decode(self, array: np.ndarray) -> np.ndarray:
        """Real values."""
        if self.scale is None:
            return array
        return ((array.astype(np.int32) - self.zero_point) * self.scale).astype(np.float32)


@dataclass(frozen=True)
class Manifest:
    """What these programs need of manifest.json; `facts` is the whole of it."""

    name: str
    runtime: str
    least_version: str
    model: str
    files: tuple[tuple[str, str, int], ...]  # path, sha256, size in bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    golden_inputs: tuple[str, ...]
    golden_outputs: tuple[tuple[str, float], ...]  # path, tolerance
    facts: dict[str, Any]


def read_manifest(root: Path) -> Manifest:
    """manifest.json; Failure where it can't be read, or has changed since it was made."""
    try:
        _unchanged(root)
        return _manifest(json.loads((root / NAME).read_bytes()))
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        fail(WRONG, f"{NAME} is missing or damaged: {error!r}")


def _unchanged(root: Path) -> None:
    """Compares the manifest, and its signature where there is one, with their own checksums."""
    lines = (root / f"{NAME}.sha256").read_text(encoding="ascii").splitlines()
    stated = {name: digest for digest, name in (line.split() for line in lines)}
    for name in sorted({NAME, *stated} & {NAME, f"{NAME}.sig"}):
        found = hashlib.sha256((root / name).read_bytes()).hexdigest()
        if found != stated[name]:
            fail(WRONG, f"{name} is damaged: its sha256 is {found}, not {stated[name]}")


def _manifest(facts: dict[str, Any]) -> Manifest:
    files = tuple((one["path"], one["sha256"], one["size_bytes"]) for one in facts["files"])
    golden = facts["golden"]
    manifest = Manifest(
        name=facts["name"],
        runtime=facts["runtime"]["name"],
        least_version=facts["runtime"]["least_version"],
        model=facts["model"]["path"],
        files=files,
        inputs=tuple(_tensor(one) for one in facts["inputs"]),
        outputs=tuple(_tensor(one) for one in facts["outputs"]),
        golden_inputs=tuple(one["path"] for one in golden["inputs"]),
        golden_outputs=tuple((one["path"], float(one["tolerance"])) for one in golden["outputs"]),
        facts=facts,
    )
    listed = {path for path, _, _ in files}
    used = {manifest.model, *manifest.golden_inputs, *(path for path, _ in manifest.golden_outputs)}
    if not used <= listed:
        raise ValueError(f"it uses files that it does not list: {sorted(used - listed)}")
    return manifest


def _tensor(facts: dict[str, Any]) -> Tensor:
    return Tensor(
        name=facts["name"],
        field=facts["field"],
        shape=tuple(facts["shape"]),
        dtype=facts["dtype"],
        scale=facts["scale"],
        zero_point=facts["zero_point"] or 0,
    )


def verify(root: Path, manifest: Manifest) -> None:
    """Compares every listed file with its size and sha256; Failure at the first that is wrong."""
    home = root.resolve()
    for name, sha256, size_bytes in manifest.files:
        path = (home / name).resolve()
        if home not in path.parents:
            fail(WRONG, f"{NAME} lists '{name}', which is outside the package")
        if not path.is_file():
            fail(WRONG, f"{name} is missing")
        content = path.read_bytes()
        if len(content) != size_bytes:
            fail(WRONG, f"{name} is damaged: it has {len(content)} bytes, not {size_bytes}")
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            fail(WRONG, f"{name} is damaged: its sha256 is {found}, not {sha256}")
