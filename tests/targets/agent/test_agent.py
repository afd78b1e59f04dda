"""The agent travels: old syntax, few imports, and one JSON document on stdout."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import targets
from targets.agent.version import EXPECTED, VERSION
from targets.link import bundle

ROOT = Path(targets.__file__).parent
TRAVELS = bundle.travelling()
ALLOWED = {"numpy", "targets", "ai_edge_litert", "tflite_runtime", "openvino", "onnxruntime"}


def asked(request: dict[str, object]) -> subprocess.CompletedProcess[bytes]:
    request = {EXPECTED: VERSION, **request}
    return subprocess.run(
        [sys.executable, "-m", "targets.agent"],
        input=json.dumps(request).encode(),
        capture_output=True,
        env={"PYTHONPATH": str(ROOT.parent)},
        timeout=60,
        check=False,
    )


def imported(tree: ast.Module) -> set[str]:
    names = {
        each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    }
    froms = {
        node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 0
    }
    return names | froms


@pytest.mark.parametrize("file", TRAVELS, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_travels_is_python_3_9_and_imports_little(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
    roots = {name.partition(".")[0] for name in imported(tree)}
    assert roots - set(sys.stdlib_module_names) <= ALLOWED
    ours = {name for name in imported(tree) if name.startswith("targets")}
    files = (".".join(each.relative_to(ROOT.parent).with_suffix("").parts) for each in TRAVELS)
    travelling = {name.removesuffix(".__init__") for name in files}
    assert ours <= travelling
    unions = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.BitOr)]
    assert not unions, "X | Y in an annotation needs Python 3.10"


def test_stdout_is_one_document_whatever_the_runtime_says(models: Path) -> None:
    request = {"command": "memory", "runtime": "tflite", "model": str(models / "net.tflite")}
    completed = asked(request)
    assert completed.returncode == 0
    assert set(json.loads(completed.stdout)) == {
        "agent",
        "import_bytes",
        "load_bytes",
        "prepare_bytes",
        "infer_bytes",
        "reason",
        "pss_bytes",
        "cgroup_peak_bytes",
    }
    assert b"XNNPACK" in completed.stderr  # LiteRT's chatter, which must not mix in


@pytest.mark.parametrize(
    ("request_", "kind", "told"),
    [
        ({"command": "describe", "runtime": "caffe", "model": "m"}, "artifact", "caffe"),
        ({"command": "describe", "runtime": "tflite", "model": "/no/such"}, "runtime", "such"),
        ({"command": "describe", "runtime": "tflite", "agent": 1}, "version", "wants agent 1"),
        ({"command": "heat", "runtime": "tflite", "cores": [1000]}, "environment", "key 'pin' nam"),
        ({"command": "heat", "runtime": "tflite", "cores": [2**70]}, "environment", "[118"),
    ],
)
def test_a_failure_is_an_answer(request_: dict[str, object], kind: str, told: str) -> None:
    completed = asked(request_)
    assert completed.returncode == 1
    error = json.loads(completed.stdout)["error"]
    assert error["kind"] == kind
    assert told in error["message"]
    assert b"Traceback" not in completed.stderr


def test_inputs_that_hold_objects_are_never_unpickled(models: Path, tmp_path: Path) -> None:
    import numpy as np

    np.savez(tmp_path / "inputs.npz", np.array([{"a": 1}], dtype=object))
    completed = asked(
        {
            "command": "infer",
            "runtime": "onnxruntime",
            "model": str(models / "net.onnx"),
            "inputs": str(tmp_path / "inputs.npz"),
            "outputs": str(tmp_path / "outputs.npz"),
        }
    )
    assert "allow_pickle=False" in json.loads(completed.stdout)["error"]["message"]


def test_a_limit_that_it_was_started_under_is_not_raised() -> None:
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_DATA, (10**9, 10**9))\n"
        "from targets.agent.__main__ import _confine\n"
        "from targets.agent.commands import Request\n"
        "_confine(Request('describe', 'tflite', memory_limit_bytes=2 * 10**9))\n"
        "print(r.getrlimit(r.RLIMIT_DATA))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT.parent
    )
    assert done.stdout.split() == [b"(1000000000,", b"1000000000)"]
