#!/usr/bin/env python3
"""Checks and runs the model of this package. Needs numpy and the model's runtime, nothing else.

    python3 run.py --self-test        every file against manifest.json, then the golden vectors
    python3 run.py --input x.npy      a file for each input, samples stacked on axis 0
                   --output y.npz     where the outputs go; else they are printed as JSON

Exit codes: 0 done, 2 a wrong argument or input, 3 the package or its results are wrong,
7 numpy or the runtime is missing. Checksums find damage, not forgery: who can change a file can
change the manifest too.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn, cast

try:
    import numpy as np
except ImportError:
    sys.stderr.write("numpy is not installed; pip install -r requirements.txt\n")
    sys.exit(7)

USAGE, WRONG, MISSING = 2, 3, 7
Arrays = list["np.ndarray"]
Runner = Callable[[Arrays], Arrays]
"""From raw inputs to raw outputs, one array for each."""


def fail(code: int, message: str) -> NoReturn:
    """Ends the program with a message."""
    sys.stderr.write(f"run.py: {message}\n")
    sys.exit(code)


@dataclass(frozen=True)
class Tensor:
    """An input or output. Quantized: real = scale * (integer - zero_point)."""

    name: str
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
    """What this program needs of manifest.json."""

    name: str
    runtime: str
    least_version: str
    model: str
    files: tuple[tuple[str, str, int], ...]  # path, sha256, size in bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    golden_inputs: tuple[str, ...]
    golden_outputs: tuple[tuple[str, float], ...]  # path, tolerance


def read_manifest(root: Path) -> Manifest:
    """manifest.json; ends the program where it can't be read."""
    try:
        return _manifest(json.loads((root / "manifest.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        fail(WRONG, f"manifest.json is missing or damaged: {error!r}")


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
    )
    listed = {path for path, _, _ in files}
    used = {manifest.model, *manifest.golden_inputs, *(path for path, _ in manifest.golden_outputs)}
    if not used <= listed:
        raise ValueError(f"it uses files that it does not list: {sorted(used - listed)}")
    return manifest


def _tensor(facts: dict[str, Any]) -> Tensor:
    return Tensor(
        name=facts["name"],
        shape=tuple(facts["shape"]),
        dtype=facts["dtype"],
        scale=facts["scale"],
        zero_point=facts["zero_point"] or 0,
    )


def verify(root: Path, manifest: Manifest) -> None:
    """Compares every listed file with its size and sha256; ends the program at the first wrong."""
    for name, sha256, size_bytes in manifest.files:
        path = (root / name).resolve()
        if root not in path.parents:
            fail(WRONG, f"manifest.json lists '{name}', which is outside the package")
        if not path.is_file():
            fail(WRONG, f"{name} is missing")
        content = path.read_bytes()
        if len(content) != size_bytes:
            fail(WRONG, f"{name} is damaged: it has {len(content)} bytes, not {size_bytes}")
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            fail(WRONG, f"{name} is damaged: its sha256 is {found}, not {sha256}")


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
    """The model, ready to run; ends the program where the runtime is missing or refuses it."""
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
        sys.stderr.write(f"run.py: {manifest.runtime} {found} is older than {least}, as tested\n")
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


def self_test(root: Path, manifest: Manifest) -> None:
    """Runs the golden inputs; ends the program where an output differs from the golden one."""
    run = load(root, manifest)
    stacked = [np.load(root / path, allow_pickle=False) for path in manifest.golden_inputs]
    outputs = infer(run, manifest, stacked)
    for index, found in enumerate(outputs):
        name, (path, tolerance) = manifest.outputs[index].name, manifest.golden_outputs[index]
        expected = np.load(root / path, allow_pickle=False)
        if found.shape != expected.shape:
            fail(WRONG, f"'{name}' has shape {found.shape}, expected {expected.shape}")
        worst = float(np.max(np.abs(found.astype(np.float64) - expected), initial=0.0))
        if not worst <= tolerance:
            fail(WRONG, f"'{name}' is {worst:.6g} from {path}; allowed {tolerance:.6g}")
        sys.stdout.write(f"{name}: within {worst:.3g} of golden (allowed {tolerance:.3g})\n")
    sys.stdout.write(f"self-test passed: {len(stacked[0])} golden samples\n")


def read_input(path: Path, spec: Tensor) -> np.ndarray:
    """An input file as samples stacked on axis 0; ends the program where its shape is another."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        fail(USAGE, f"{path}: not a .npy file of numbers: {error}")
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        fail(USAGE, f"{path}: not a .npy file of numbers")
    stacked = array[np.newaxis] if array.shape == spec.shape[1:] else array
    if stacked.shape[1:] != spec.shape[1:] or not len(stacked):
        fail(USAGE, f"{path}: shape {array.shape}; '{spec.name}' takes (N, *{spec.shape[1:]})")
    return stacked


def answer(root: Path, manifest: Manifest, inputs: Sequence[Path], output: Path | None) -> None:
    """Runs the user's input; outputs go into an .npz (arr_0, ...) or, as JSON, to stdout."""
    if len(inputs) != len(manifest.inputs):
        fail(USAGE, f"{len(inputs)} inputs given; the model takes {len(manifest.inputs)}")
    stacked = [read_input(path, manifest.inputs[i]) for i, path in enumerate(inputs)]
    if len({len(array) for array in stacked}) > 1:
        fail(USAGE, "the inputs hold different numbers of samples")
    found = infer(load(root, manifest), manifest, stacked)
    if output is not None:
        np.savez(output, *found)
        return
    shown = {spec.name: found[i].tolist() for i, spec in enumerate(manifest.outputs)}
    sys.stdout.write(json.dumps({"outputs": shown}) + "\n")


def main() -> None:
    """Parses the arguments, verifies the package, and does what was asked."""
    parser = argparse.ArgumentParser(description="Checks and runs the model of this package.")
    parser.add_argument("--self-test", action="store_true", help="check files and golden vectors")
    parser.add_argument("--input", type=Path, action="append", help="a .npy file for each input")
    parser.add_argument("--output", type=Path, help="write the outputs into this .npz file")
    given = parser.parse_args()
    if not given.self_test and not given.input:
        parser.error("give --self-test or --input FILE.npy")
    root = Path(__file__).resolve().parent
    manifest = read_manifest(root)
    verify(root, manifest)
    if given.self_test:
        sys.stdout.write(f"{manifest.name}: {len(manifest.files)} files are as the manifest says\n")
        self_test(root, manifest)
    if given.input:
        answer(root, manifest, given.input, given.output)


if __name__ == "__main__":
    main()
