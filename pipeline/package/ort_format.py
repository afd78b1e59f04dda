"""ONNX Runtime's own format, .ort, with the operators that a runtime built for it needs.

The conversion applies the optimizations that fit every ARM CPU once and for all. It loads the
model, so it runs in a process of its own; and since what it writes is another file than the one
that was measured, it is run on the golden inputs there.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.package.golden import Golden
from targets.artifact import Artifact, decode_all
from targets.errors import ConversionError

WORKER = "pipeline.package.ort_worker"
TIMEOUT_S = 600.0
_CODE = Path(__file__).parents[2]


@dataclass(frozen=True)
class OrtFormat:
    """A model as .ort.

    Attributes:
        model: the file's content.
        operators: required_operators_and_types.config, for a reduced build of ONNX Runtime.
        worst: the largest difference from a golden output, as a share of its tolerance.
    """

    model: bytes
    operators: bytes
    worst: float


def ort_format(artifact: Artifact, golden: Golden) -> OrtFormat:
    """An .onnx artifact as .ort.

    Raises ConversionError where the tool refuses the model, crashes on it or takes too long, or
    where the result gives other outputs than the golden ones.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = zip(artifact.inputs, golden.inputs, strict=True)
        np.savez(folder / "inputs.npz", *(spec.encode(array) for spec, array in pairs))
        _work(artifact.path, folder)
        outputs = _arrays(folder / "outputs.npz")
        worst = _worst(decode_all(artifact.outputs, outputs), artifact, golden)
        if not worst <= 1:
            raise ConversionError(
                f"{artifact.path}: as .ort the model gives outputs {worst:.3g} times as far from "
                "the golden ones as is allowed; package it for another runtime"
            )
        files = [folder / file for file in ("model.ort", "operators.config")]
        model, operators = (file.read_bytes() for file in files)
    return OrtFormat(model, operators, worst)


def _work(model: Path, folder: Path) -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            [sys.executable, "-m", WORKER, str(model.absolute()), str(folder)],
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": str(_CODE), **threads},
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(f"{model}: no .ort file within {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise ConversionError(
            f"{model}: ONNX Runtime can't write it as .ort: it ended with code "
            f"{done.returncode} and said: {told[0][:400]}"
        )


def _arrays(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return [file[f"arr_{index}"] for index in range(len(file.files))]


def _worst(outputs: list[np.ndarray], artifact: Artifact, golden: Golden) -> float:
    """The largest difference, in tolerances; infinite where a shape differs."""
    shares = [0.0]
    tolerances = golden.tolerances(artifact)
    for found, expected, tolerance in zip(outputs, golden.outputs, tolerances, strict=True):
        if found.shape != expected.shape:
            return float("inf")
        far = float(np.abs(found.astype(np.float64) - expected).max(initial=0.0))
        shares.append(far / tolerance if tolerance else (0.0 if far == 0 else float("inf")))
    return max(shares)
