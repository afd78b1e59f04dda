"""The least arena in which tflite-micro runs a model, and the outputs that it gives there."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.package.golden import Golden
from pipeline.package.mcu.model_file import ModelFile
from targets.artifact import Artifact
from targets.errors import ArtifactError, ConversionError, EnvironmentFault

TIMEOUT_S = 600.0
ALIGNMENT_BYTES = 16
MARGIN_PERCENT = 20
CURE = "pip install 'edgesmith[mcu]'"
_CODE = Path(__file__).parents[3]
_LONGEST_MESSAGE = 400


@dataclass(frozen=True)
class Interpreted:
    """A model as tflite-micro ran it on this machine.

    Attributes:
        file: what the file holds.
        version: tflite-micro's.
        least_bytes: the arena runs in this many bytes, and not in one less.
        outputs: the raw outputs for the golden inputs in that arena, stacked over samples.
    """

    file: ModelFile
    version: str
    least_bytes: int
    outputs: tuple[np.ndarray, ...]

    @property
    def commit(self) -> str:
        """The commit of tflite-micro's sources, where its version tells; else empty."""
        return self.version.partition("-g")[2]

    @property
    def recommended_bytes(self) -> int:
        """What to reserve: the least and MARGIN_PERCENT of it, in whole alignments.

        An estimate: the reference kernels of this machine need less scratch memory than some
        device's own (CMSIS-NN), and its 8-byte pointers more than a device's of 4.
        """
        with_margin = -(-self.least_bytes * (100 + MARGIN_PERCENT) // 100)
        return -(-with_margin // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def interpreted(artifact: Artifact, golden: Golden, timeout_s: float = TIMEOUT_S) -> Interpreted:
    """Runs the model over the golden inputs in tflite-micro, in the least arena.

    Raises:
        EnvironmentFault: tflite-micro is not installed.
        ConversionError: it can't run the model, or took too long.
        ArtifactError: the file is no .tflite model.
    """
    specs = zip(artifact.inputs, golden.inputs, strict=True)
    raw = [spec.encode(array) for spec, array in specs]
    with tempfile.TemporaryDirectory() as folder:
        entered, left = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        np.savez(entered, *raw)
        answer = _asked(artifact.path, entered, left, timeout_s)
        with np.load(left, allow_pickle=False) as made:
            outputs = tuple(made[f"arr_{index}"] for index in range(len(made.files)))
    return Interpreted(_file(answer), answer["version"], int(answer["arena_bytes"]), outputs)


def _asked(model: Path, entered: Path, left: Path, timeout_s: float) -> dict[str, Any]:
    worker = (sys.executable, "-m", "pipeline.package.mcu.interpreting")
    environment = {**os.environ, "PYTHONPATH": str(_CODE), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            (*worker, model, entered, left),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"{model}: tflite-micro gave no answer within {timeout_s:g} s"
        ) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ArtifactError(
            f"{model} can't be read as a .tflite model: {_last_line(done.stderr)}"
        ) from None
    _check(model, answer, done.stderr)
    return answer


def _check(model: Path, answer: Mapping[str, Any], told: bytes) -> None:
    if "missing" in answer:
        raise EnvironmentFault(
            f"packages for microcontrollers need tflite-micro, which can't be imported: "
            f"{answer['missing']}; install it with: {CURE}"
        )
    if "refused" in answer:
        raise ConversionError(
            f"{model}: tflite-micro {answer['version']} can't run it: {_reasons(told)}; its "
            f"operators are {', '.join(answer['file']['operators'])}, of types "
            f"{', '.join(answer['file']['inputs'])} to {', '.join(answer['file']['outputs'])}: "
            "quantize to int8 with int8 inputs and outputs, or change the operator that it names"
        )


def _reasons(told: bytes) -> str:
    """The first things that the interpreter said: the cause comes before its consequences."""
    lines = [line.strip() for line in told.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[:3])[:_LONGEST_MESSAGE] or "it crashed on it"


def _last_line(told: bytes) -> str:
    lines = told.decode(errors="replace").strip().splitlines()
    return lines[-1][:_LONGEST_MESSAGE] if lines else "its parser crashed on it"


def _file(answer: Mapping[str, Any]) -> ModelFile:
    return ModelFile(**{name: tuple(found) for name, found in answer["file"].items()})
