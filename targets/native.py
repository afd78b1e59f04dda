"""Quantizing a float artifact with its runtime's own tool, in a process of its own.

The tools are heavy to import, talk a lot, and may crash: nothing of them enters this process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from targets.artifact import files_of
from targets.conversion import Activations, Io, publish
from targets.errors import ConversionError, EnvironmentFault

Range = Literal["min-max", "moving-average", "percentile", "entropy"]

TOOLS = {
    "onnxruntime": "onnxruntime.quantization",
    "openvino": "NNCF",
    "tflite": "ai-edge-quantizer",
}
CURES = {
    "onnxruntime": "pip install onnxruntime sympy",
    "openvino": "pip install 'edgesmith[nncf]'",
    "tflite": "pip install ai-edge-quantizer",
}
TIMEOUT_S = 3600.0
IMPORT_TIMEOUT_S = 300.0
_CODE = Path(__file__).parent.parent
_LONGEST_MESSAGE = 400


@dataclass(frozen=True)
class NativeSettings:
    """How a native tool quantizes to int8: weights per channel, activations per tensor.

    Attributes:
        range: how an activation's range follows from the samples.
        correct_bias: whether the tool corrects biases for the mean error, where it can.
        activations: their 8-bit type, where the runtime has both.
        io: the type of inputs and outputs, where the format has a choice.
    """

    range: Range = "min-max"
    correct_bias: bool = False
    activations: Activations = "int8"
    io: Io = "int8"


GRID: Mapping[str, tuple[NativeSettings, ...]] = {
    "onnxruntime": (
        NativeSettings(),
        NativeSettings(range="percentile"),
        NativeSettings(range="entropy"),
    ),
    "openvino": (
        NativeSettings(),
        NativeSettings(correct_bias=True),
        NativeSettings(range="moving-average", correct_bias=True),
    ),
    "tflite": (NativeSettings(),),
}
"""What is worth trying of each tool, the most promising first. NNCF's own default is the last of
its three: its bias correction has cost one net 18 dB. ai-edge-quantizer's default smooths minima
and maxima over the samples, which lost as much, so that it is not among them."""


def quantize_native(
    runtime: str,
    model: Path,
    samples: Sequence[NDArray[Any]],
    path: Path,
    settings: NativeSettings,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Writes the int8 version of a float artifact of ours to path, which is returned.

    Args:
        runtime: its name.
        model: the float32 artifact, of a batch of 1.
        samples: an array per input, stacked over samples on axis 0.
        path: of the file, with the format's suffix.
        settings: one of the runtime's GRID, or other ones.
        timeout_s: the longest that the tool may take.

    Raises:
        EnvironmentFault: the tool is not installed.
        ConversionError: the tool can't take the model, crashed on it or took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        np.savez(Path(folder) / "samples.npz", *samples)
        request = {
            "runtime": runtime,
            "model": str(model.absolute()),
            "samples": str(Path(folder) / "samples.npz"),
            "path": str(made),
            "answer": str(Path(folder) / "answer.json"),
            "settings": asdict(settings),
        }
        _work(runtime, request, timeout_s)
        files = zip([path, *_companions(path)], files_of(made), strict=True)
        publish({to: source.read_bytes() for to, source in files})
    return path


def check_tool(runtime: str, timeout_s: float = IMPORT_TIMEOUT_S) -> None:
    """Raises EnvironmentFault where the runtime's own tool can't be imported here."""
    with tempfile.TemporaryDirectory() as folder:
        request = {"runtime": runtime, "answer": str(Path(folder) / "answer.json")}
        try:
            _work(runtime, request, timeout_s)
        except ConversionError as error:
            raise EnvironmentFault(
                f"the native engine of {runtime} can't be imported: {error}; install it with: "
                f"{CURES[runtime]}; or take engine: unified"
            ) from error


def _companions(path: Path) -> list[Path]:
    return [path.with_suffix(".bin")] if path.suffix == ".xml" else []


def _work(runtime: str, request: Mapping[str, object], timeout_s: float) -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    tool = TOOLS[runtime]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "targets.native_worker"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PYTHONPATH": _path(), **threads},
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(f"{tool} gave no answer within {timeout_s:g} s") from None
    answer = Path(str(request["answer"]))
    if not answer.is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise ConversionError(f"{tool} ended with code {done.returncode} and said: {said[0]}")
    _check(json.loads(answer.read_text(encoding="utf-8")), runtime)


def _path() -> str:
    """Our own code before whatever else this process looks in."""
    rest = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(part for part in (str(_CODE), rest) if part)


def _check(answer: Mapping[str, str], runtime: str) -> None:
    message = " ".join(answer.get("message", "").split())[:_LONGEST_MESSAGE]
    if answer["kind"] == "missing":
        raise EnvironmentFault(
            f"the native engine of {runtime} is {TOOLS[runtime]}, which can't be imported: "
            f"{message}; install it with: {CURES[runtime]}; or take engine: unified"
        )
    if answer["kind"] != "done":
        raise ConversionError(f"{TOOLS[runtime]} can't quantize the model: {message}")
