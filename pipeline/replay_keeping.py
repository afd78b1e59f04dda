"""Keeps how an artifact came about, read off the seals of the steps that led to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.native import NATIVE
from pipeline.quantizing import PLAN
from pipeline.recipe import Prune
from pipeline.replay_record import RECORD, WEIGHTS, Record, stated
from pipeline.workspace import SEAL, atomic_write
from targets.errors import EdgesmithError


def keep(folder: Path, candidate: Path, exported: Path, runtime: str, sha256: str) -> None:
    """Writes the record and its plan files into a folder, which is made.

    Args:
        folder: where to.
        candidate: the step folder of the candidate that was exported.
        exported: the step folder that the artifact is in.
        runtime: the artifact's.
        sha256: over all the artifact's files.
    """
    found = _Kept()
    record = found.record(candidate, exported, runtime, sha256)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in found.plans.items():
        atomic_write(folder / name, content)
    atomic_write(folder / RECORD, record.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class _Sealed:
    """A finished step's folder, and what its seal says."""

    folder: Path
    seal: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> "_Sealed":
        return cls(folder, json.loads((folder / SEAL).read_text(encoding="utf-8")))

    @property
    def inputs(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.seal["inputs"]
        return found

    @property
    def weights(self) -> str:
        return str(self.seal["files"][WEIGHTS])

    def chain(self) -> list["_Sealed"]:
        """This step and all before it, the dense model first."""
        parent = self.inputs.get("parent")
        return [*(_Sealed.of(self.folder.parent / parent).chain() if parent else ()), self]


class _Kept:
    """A record in the making, and the plan files that it names."""

    def __init__(self) -> None:
        self.plans: dict[str, bytes] = {}

    def record(self, candidate: Path, exported: Path, runtime: str, sha256: str) -> Record:
        dense, *steps = _Sealed.of(candidate).chain()
        last = _Sealed.of(exported)
        threads = [one.inputs["threads"] for one in (*steps, last) if "threads" in one.inputs]
        document = {
            "runtime": runtime,
            "sha256": sha256,
            "task": _task(dense.inputs["task"]),
            "threads": threads[0] if threads else 1,
            "tools": last.seal["tools"],
            "dense": dense.weights,
            "steps": [self._step(one) for one in steps],
            "export": self._export(last, runtime),
        }
        return Record.model_validate_json(json.dumps(document))

    def _step(self, one: _Sealed) -> dict[str, object]:
        name = one.seal["step"]
        told = _STEPS.get(name)
        if told is None:
            raise EdgesmithError(f"step '{name}' has no way to be replayed; this is a bug")
        document = {**told(one), "weights": one.weights}
        if "plan" in document:
            document["plan"] = self._plan(one.folder / str(document["plan"]))
        return document

    def _export(self, last: _Sealed, runtime: str) -> dict[str, object]:
        if (last.folder / NATIVE).exists():
            return {"engine": "native", "settings": last.inputs["settings"]}
        path = last.folder / PLAN
        return {
            "engine": "unified",
            "settings": last.inputs["settings"],
            "activations": last.inputs["activations"][runtime],
            "plan": self._plan(path) if path.exists() else None,
        }

    def _plan(self, path: Path) -> str:
        name = f"plan-{len(self.plans)}.json"
        self.plans[name] = path.read_bytes()
        return name


def _task(identity: Mapping[str, Any]) -> dict[str, object]:
    told = {name: identity[name] for name in ("files", "weights")}
    return {**told, "params": stated(identity["params"])}


def _pruned(one: _Sealed) -> dict[str, object]:
    count = json.loads((one.folder / "candidate.json").read_text())["plans"]
    return {"does": "prune", "repair": _repair(one.inputs), "plan": f"plan-{count - 1}.json"}


def _repair(inputs: Mapping[str, Any]) -> str:
    if "repair" in inputs:
        return str(inputs["repair"])
    return Prune.model_construct(**inputs["settings"]).mending  # validated when it was read


def _quantized(one: _Sealed) -> dict[str, object]:
    range_, equalized, rounded = one.inputs["method"]
    method = {"range": range_, "equalized": equalized, "rounded": rounded}
    return {"does": "quantize", "method": method, "keeps": one.inputs["keeps"], "plan": PLAN}


_STEPS: Mapping[str, Callable[[_Sealed], dict[str, object]]] = {
    "prune": _pruned,
    "recover": lambda one: {"does": "recover", "settings": one.inputs["settings"]},
    "plan-int8": _quantized,
    "keep-float": lambda one: {"does": "keep", "nodes": one.inputs["nodes"]},
    "qat": lambda one: {"does": "train", "settings": one.inputs["settings"]},
}
"""The steps of a run that change a candidate, by name; all others only look."""
