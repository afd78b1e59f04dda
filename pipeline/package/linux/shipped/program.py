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
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .package import (
    UNREADABLE,
    USAGE,
    WRONG,
    Failure,
    Manifest,
    Tensor,
    fail,
    read_manifest,
    verify,
)
from .runtimes import infer, load


def self_test(root: Path, manifest: Manifest) -> None:
    """Runs the golden inputs; Failure where an output differs from the golden one."""
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
    """An input file as samples stacked on axis 0; Failure where its shape is another."""
    try:
        array = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
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
        _write(output, found)
        return
    shown = {spec.name: found[i].tolist() for i, spec in enumerate(manifest.outputs)}
    sys.stdout.write(json.dumps({"outputs": shown}) + "\n")


def _write(output: Path, arrays: Sequence[np.ndarray]) -> None:
    try:
        np.savez(output, *arrays)
    except OSError as error:
        fail(USAGE, f"--output {output}: can't be written: {error.strerror or error}")


def main() -> None:
    """Parses the arguments, verifies the package, and does what was asked."""
    parser = argparse.ArgumentParser(
        prog="run.py", description="Checks and runs the model of this package."
    )
    parser.add_argument("--self-test", action="store_true", help="check files and golden vectors")
    parser.add_argument("--input", type=Path, action="append", help="a .npy file for each input")
    parser.add_argument("--output", type=Path, help="write the outputs into this .npz file")
    given = parser.parse_args()
    if not given.self_test and not given.input:
        parser.error("give --self-test or --input FILE.npy")
    try:
        _do(given)
    except Failure as error:
        sys.stderr.write(f"run.py: {error}\n")
        sys.exit(error.code)


def _do(given: argparse.Namespace) -> None:
    root = Path(__file__).resolve().parents[1]
    manifest = read_manifest(root)
    verify(root, manifest)
    if given.self_test:
        sys.stdout.write(f"{manifest.name}: {len(manifest.files)} files are as the manifest says\n")
        self_test(root, manifest)
    if given.input:
        answer(root, manifest, given.input, given.output)
