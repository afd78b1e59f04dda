"""A target: one runtime on one device. The one look-up by name, and what can be asked of it."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from targets.artifact import (
    RUNTIME_OF_FORMAT,
    Artifact,
    Quantization,
    TensorSpec,
    digest,
    files_of,
    format_of,
)
from targets.calling import MEMORY_LIMIT_BYTES, Call, ask
from targets.device import DeviceProfile, load
from targets.energy import EnergyRound, energy_from_json
from targets.errors import ArtifactError, DeviceUnreachable, EnvironmentFault, UsageError
from targets.execution import Execution, execution
from targets.layers import Layers, layers_from_json
from targets.link.connect import link_to
from targets.link.contract import Link
from targets.measurement import (
    ExecutedOp,
    MemoryPhases,
    ProcessSamples,
    TimingRule,
)
from targets.occupancy import occupied
from targets.samples import executed_from_json, memory_from_json, process_from_json

_T = TypeVar("_T")

_DESCRIBE_TIMEOUT_S = 120.0
_MEMORY_TIMEOUT_S = 300.0
_INFER_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Description:
    """What a runtime says of a file: its tensors, what it really executes, and notes on loading."""

    artifact: Artifact
    executed: tuple[ExecutedOp, ...]
    runtime_version: str
    notes: tuple[str, ...] = ()

    @property
    def execution(self) -> Execution:
        """What the executed operators come to."""
        return execution(self.executed, self.artifact.runtime)


@dataclass(frozen=True)
class Target:
    """One runtime on one device. Every question starts a fresh process there.

    `shapes` are those of inputs whose sizes a file leaves open, by name; a batch alone becomes 1.
    A process that fails raises ArtifactError where the file is to blame, ConversionError where the
    runtime can't take the model, EnvironmentFault and DeviceUnreachable as their names say.
    """

    device: DeviceProfile
    runtime: str
    link: Link
    threads: int = 1
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    _pushed: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def provenance(self) -> str:
        """Where its numbers come from."""
        return self.device.provenance

    def describe(self, path: Path) -> Description:
        """Loads the file in a process of its own and tells what it is.

        Raises ArtifactError for a broken file, or one of another runtime.
        """
        bare = self._bare(path)
        request = {"command": "describe"}
        answer = self._ask(request, bare, _DESCRIBE_TIMEOUT_S, blames=ArtifactError)
        try:
            return _description(bare, answer)
        except (ArtifactError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise DeviceUnreachable(f"the agent's description is malformed: {error!r}") from error

    def identify(self) -> tuple[dict[str, str], str]:
        """What tells the device from another, and the runtime's version there."""
        request = {"command": "identify", "threads": self.threads}
        call = Call(request, f"device '{self.device.name}'", self.runtime, _DESCRIBE_TIMEOUT_S)
        with occupied(self.device.seat):
            answer = ask(self.link, call)
        try:
            device = {str(name): str(value) for name, value in answer["device"].items()}
            return device, str(answer["runtime_version"])
        except (AttributeError, KeyError) as error:
            raise DeviceUnreachable(f"the agent's answer is malformed: {error!r}") from error

    def throttling(self) -> str:
        """What holds the device's clock down at this moment, as the condition "throttling"."""
        request = {"command": "heat", "threads": self.threads}
        call = Call(request, f"device '{self.device.name}'", self.runtime, _DESCRIBE_TIMEOUT_S)
        return str(ask(self.link, call).get("throttling"))

    def sample(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> ProcessSamples:
        """The latencies of one fresh process by the rule, on random inputs of the seed."""
        request = {"command": "latency", "rule": asdict(rule), "seed": seed}
        timeout_s = _DESCRIBE_TIMEOUT_S + 2 * (rule.warmup_max_s + rule.max_seconds)
        return _told_well(process_from_json, self._ask(request, artifact, timeout_s))

    def sample_in_turns(
        self, artifacts: Sequence[Artifact], rule: TimingRule, seed: int = 0, rounds: int = 5
    ) -> tuple[ProcessSamples, ...]:
        """The latencies of several artifacts in one fresh process, in turns drawn by the seed.

        What disturbs one disturbs all, so their ratios are steadier than their times.
        """
        placed = [self._placed(artifact) for artifact in artifacts]
        request = {"command": "turns", "rule": asdict(rule), "seed": seed, "rounds": rounds,
                   "models": placed}  # fmt: skip
        each_s = rule.warmup_max_s + rule.max_seconds
        timeout_s = _DESCRIBE_TIMEOUT_S + 2 * len(placed) * each_s
        answer = self._ask(request, artifacts[0], timeout_s)
        found = answer.get("models")
        if not isinstance(found, list) or len(found) != len(placed):
            raise DeviceUnreachable("the agent's times are malformed: not one entry per model")
        return tuple(_told_well(process_from_json, each) for each in found)

    def memory(self, artifact: Artifact, seed: int = 0) -> MemoryPhases:
        """The peak memory of one fresh process in phases."""
        request = {"command": "memory", "seed": seed}
        return _told_well(memory_from_json, self._ask(request, artifact, _MEMORY_TIMEOUT_S))

    def energy(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> EnergyRound:
        """What the device's power sensor reads while idle, under load and idle again."""
        request = {"command": "energy", "rule": asdict(rule), "seed": seed,
                   "sensors": self.device.sensors, "sensor": self.device.sensor or ""}  # fmt: skip
        timeout_s = _DESCRIBE_TIMEOUT_S + 2 * (2 * rule.energy_idle_s + rule.energy_load_s)
        return _told_well(energy_from_json, self._ask(request, artifact, timeout_s))

    def infer(self, artifact: Artifact, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs as values, for inputs stacked over samples on axis 0, each run as a batch of 1.

        An input of shape (1, 3, 32, 32) is given as (N, 3, 32, 32); outputs come stacked likewise.
        One call at a time: the files on the device have fixed names.
        """
        return self._exchanged("infer", artifact, inputs)[1]

    def layers(self, artifact: Artifact, inputs: Sequence[np.ndarray]) -> Layers:
        """Values of the artifact's 8-bit tensors, for inputs stacked as `infer` takes them.

        They are those of a copy of the file in which these tensors are outputs, in a process of
        its own. Raises EnvironmentFault where the device lacks what makes the copy.
        """
        answer, arrays = self._exchanged("layers", artifact, inputs)
        try:
            return layers_from_json(answer, arrays)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DeviceUnreachable(f"the agent's layers are malformed: {error!r}") from error

    def _exchanged(
        self, command: str, artifact: Artifact, inputs: Sequence[np.ndarray]
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """The agent's answer to a command that takes arrays, and the arrays that it gives."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                return self._exchange(command, artifact, inputs, Path(folder))
        except OSError as error:
            raise EnvironmentFault(f"arrays can't be written or read: {error}") from error

    def _exchange(
        self, command: str, artifact: Artifact, inputs: Sequence[np.ndarray], folder: Path
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        np.savez(folder / "inputs.npz", *inputs)
        entered = self.link.push(folder / "inputs.npz", "infer/inputs.npz")
        left = str(Path(entered).with_name("outputs.npz"))
        request = {"command": command, "inputs": entered, "outputs": left}
        answer = self._ask(request, artifact, _INFER_TIMEOUT_S)
        self.link.pull(left, folder / "outputs.npz")
        try:
            with np.load(folder / "outputs.npz", allow_pickle=False) as file:
                return answer, [file[f"arr_{i}"] for i in range(len(file.files))]
        except (ValueError, EOFError, KeyError, BadZipFile) as error:
            raise DeviceUnreachable(f"the agent's outputs are malformed: {error}") from error

    def _bare(self, path: Path) -> Artifact:
        """The artifact of a file that nobody has loaded yet: no tensors."""
        name = format_of(path)
        if RUNTIME_OF_FORMAT[name] != self.runtime:
            raise ArtifactError(f"{path}: {self.runtime} does not run the format {name}")
        try:
            sha256, size_bytes = digest(files_of(path))
        except OSError as error:
            raise ArtifactError(f"{path} can't be read: {error}") from error
        return Artifact(path, name, sha256, size_bytes, (), ())

    def _ask(
        self,
        request: Mapping[str, object],
        artifact: Artifact,
        timeout_s: float,
        **blames: type[ArtifactError],
    ) -> dict[str, Any]:
        placed = {**request, "model": self._placed(artifact), "threads": self.threads,
                  "cores": self.device.pin, "shapes": self.shapes}  # fmt: skip
        patience_s = timeout_s * self.device.patience
        limit = self.memory_limit_bytes
        call = Call(placed, str(artifact.path), self.runtime, patience_s, memory_limit_bytes=limit,
                    **blames)  # fmt: skip
        with occupied(self.device.seat):
            return ask(self.link, call)

    def _placed(self, artifact: Artifact) -> str:
        """The model's path on the device, where it is pushed once."""
        if artifact.sha256 not in self._pushed:
            files = files_of(artifact.path)
            if digest(files)[0] != artifact.sha256:
                raise ArtifactError(f"{artifact.path}: the file has changed since it was described")
            folder, names = artifact.sha256[:16], _remote_names(files)
            pushed = [
                self.link.place(file, f"{folder}/{name}")
                for file, name in zip(files, names, strict=True)
            ]
            self._pushed[artifact.sha256] = pushed[0]
        return self._pushed[artifact.sha256]


def find(device: DeviceProfile, runtime: str) -> Target:
    """The runtime on the device, reached by the device's link.

    Raises UsageError for a runtime that the device does not have, and DeviceUnreachable where the
    profile does not fit this machine or asks for a link that there is not.
    """
    if runtime not in device.runtimes:
        near = get_close_matches(runtime, device.runtimes, 1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise UsageError(
            f"device '{device.name}' has no runtime '{runtime}'{hint} "
            f"It has: {', '.join(device.runtimes)}"
        )
    link = link_to(device)
    if runtime in device.vendor:
        from targets.vendor import VendorTarget  # which is a Target, so that it imports this module

        here = find(load("host"), runtime)
        return VendorTarget(device, runtime, link, device.threads, here=here)
    return Target(device, runtime, link, device.threads)


def _told_well(read: Callable[[Mapping[str, Any]], _T], answer: Mapping[str, Any]) -> _T:
    """What the agent tells, read. Raises DeviceUnreachable where it is not what agents tell."""
    try:
        return read(answer)
    except (ArtifactError, TypeError) as error:
        raise DeviceUnreachable(f"the agent's answer is malformed: {error}") from error


def _remote_names(files: Sequence[Path]) -> list[str]:
    """The names that a model's files get on the device: ours, unless the model refers to them."""
    model, *others = files
    if model.suffix != ".onnx":
        return [f"model{file.suffix}" for file in files]
    kept = [file.relative_to(model.parent).as_posix() for file in others]
    name = "model.onnx"
    while name in kept:
        name = f"a-{name}"
    return [name, *kept]


def _description(bare: Artifact, answer: Mapping[str, Any]) -> Description:
    inputs = tuple(_spec(each) for each in answer["inputs"])
    outputs = tuple(_spec(each) for each in answer["outputs"])
    artifact = Artifact(bare.path, bare.format, bare.sha256, bare.size_bytes, inputs, outputs)
    executed = tuple(executed_from_json(each) for each in answer["executed"])
    notes = tuple(str(note) for note in answer["notes"])
    return Description(artifact, executed, str(answer["runtime_version"]), notes)


def _spec(document: Mapping[str, Any]) -> TensorSpec:
    quantization = document["quantization"]
    return TensorSpec(
        name=str(document["name"]),
        shape=tuple(int(size) for size in document["shape"]),
        dtype=np.dtype(document["dtype"]).name,
        quantization=None if quantization is None else _quantization(**quantization),
    )


def _quantization(scale: float, zero_point: int) -> Quantization:
    return Quantization(float(scale), int(zero_point))
