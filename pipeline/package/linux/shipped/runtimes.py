"""Runs the model under its runtime.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np

from .package import MISSING, WRONG, Manifest, fail

Arrays = list["np.ndarray"]
Runner = Callable[[Arrays], Arrays]
"""From raw inputs to raw outputs, one array for each."""


def tflite(model: Path) -> tuple[Runner, str]:
    """The model under LiteRT, or under tflite_runtime where only that is installed."""
    try:
        from ai_edge_litert import interpreter as lite

        version = _version("ai-edge-litert")
    except ImportError:
        from tflite_runtime import interpreter as lite

        version = ""  # another distribution, with numbers of its own
    session = lite.Interpreter(model_path=str(model), num_threads=1)
    session.allocate_tensors()
    slots = [one["index"] for one in session.get_input_details()]
    results = [one["index"] for one in session.get_output_details()]

    def run(arrays: Arrays) -> Arrays:
        for index, array in enumerate(arrays):
            session.set_tensor(slots[index], array)
        session.invoke()
        return [session.get_tensor(result) for result in results]

    return run, version


def openvino(model: Path) -> tuple[Runner, str]:
    """The model under OpenVINO, on the CPU, in float32 where it is not integer."""
    sys.modules.setdefault("openvino_telemetry", cast(Any, None))  # it would contact a server
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(str(model), "CPU", settings)
    request = compiled.create_infer_request()

    def run(arrays: Arrays) -> Arrays:
        results = request.infer(dict(enumerate(arrays)))
        return [np.array(results[output]) for output in compiled.outputs]

    return run, _version("openvino")


def onnxruntime(model: Path) -> tuple[Runner, str]:
    """The model under ONNX Runtime, on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(arrays: Arrays) -> Arrays:
        return list(session.run(None, {names[i]: array for i, array in enumerate(arrays)}))

    return run, _version("onnxruntime")


RUNTIMES = {"tflite": tflite, "openvino": openvino, "onnxruntime": onnxruntime}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # built from source, or renamed by a distributor
        return ""


def load(root: Path, manifest: Manifest) -> Runner:
    """The model, ready to run; Failure where the runtime is missing or refuses it."""
    try:
        runner, found = RUNTIMES[manifest.runtime](root / manifest.model)
    except KeyError:
        fail(WRONG, f"manifest.json names the runtime '{manifest.runtime}', which is unknown here")
    except ImportError as error:
        fail(MISSING, f"the runtime can't be imported ({error}); pip install -r requirements.txt")
    except (RuntimeError, ValueError) as error:
        fail(WRONG, f"{manifest.runtime} refuses {manifest.model}: {error}")
    if found and _numbers(found) < _numbers(manifest.least_version):
        least = manifest.least_version
        sys.stderr.write(f"{manifest.runtime} {found} is older than {least}, as tested\n")
    return runner


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def infer(run: Runner, manifest: Manifest, stacked: Arrays) -> Arrays:
    """Runs samples stacked on axis 0 one by one; real values in, real values out."""
    rows = []
    for at in range(len(stacked[0])):
        raw = run([one.encode(stacked[i][at : at + 1]) for i, one in enumerate(manifest.inputs)])
        rows.append([one.decode(np.asarray(raw[i])) for i, one in enumerate(manifest.outputs)])
    return [np.concatenate([row[i] for row in rows]) for i in range(len(manifest.outputs))]
