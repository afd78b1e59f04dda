"""What the results of a step depend on besides its inputs: the tools, their versions, the CPU."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

DISTRIBUTIONS = (
    "ai-edge-litert",
    "ai-edge-quantizer",
    "litert-torch",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "safetensors",
    "torch",
    "torchao",
)
MISSING = "missing"
OPTIONAL = ("nncf",)
"""Told where they are installed only."""
_OURS = Path(__file__).parent.parent


@cache
def versions() -> Mapping[str, str]:
    """Name to version of everything that makes or measures an artifact here."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {processor()}",
        "edgesmith": f"{_version('edgesmith')} {_source_digest()}",
        **{name: _version(name) for name in DISTRIBUTIONS},
        **{name: found for name in OPTIONAL if (found := _version(name)) != MISSING},
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return MISSING


def _source_digest() -> str:
    """Of our own code: a version number does not change while one works on it."""
    total = hashlib.sha256()
    for package in ("pipeline", "targets"):
        for file in sorted((_OURS / package).rglob("*.py")):
            total.update(hashlib.sha256(str(file.relative_to(_OURS)).encode()).digest())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


@cache
def processor() -> str:
    """The CPU's model, as the kernel names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")
