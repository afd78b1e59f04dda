"""The agent's commands: each takes a request and gives a JSON-able answer."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Callable, Dict, List, Mapping, Tuple

import numpy as np

from targets.agent.conditions import conditions
from targets.agent.energy import energy_round
from targets.agent.fingerprint import fingerprint
from targets.agent.heat import Throttling
from targets.agent.layers import layers_of
from targets.agent.memory import PeakMemory
from targets.agent.power import Sensor, sensor_of
from targets.agent.runtime import Runtime, Session, runtime_named
from targets.agent.shared_memory import cgroup_peak_bytes, pss_bytes
from targets.agent.timing import random_inputs, time_session
from targets.agent.turns import Timed, time_in_turns
from targets.agent.watched import Watched
from targets.energy import EnergyRound
from targets.errors import ArtifactError, EnvironmentFault
from targets.measurement import TimingRule

_SETTLING_INFERENCES = 10  # one shows the peak; a few let arenas that grow lazily settle

Answer = Dict[str, object]


@dataclass(frozen=True)
class Request:
    """What one start of the agent shall do. `inputs` and `outputs` are .npz files of `infer`;
    `models` and `rounds` are of `turns`; `cores` are those to run on, empty for any;
    `sensors` and `sensor` are of `energy`; `shapes` are of inputs whose sizes are open, by name."""

    command: str
    runtime: str
    model: str = ""
    models: Tuple[str, ...] = ()
    rounds: int = 5
    threads: int = 1
    cores: Tuple[int, ...] = ()
    seed: int = 0
    rule: TimingRule = field(default_factory=TimingRule)
    inputs: str = ""
    outputs: str = ""
    sensors: Tuple[str, ...] = ()
    sensor: str = ""
    shapes: Mapping[str, Tuple[int, ...]] = field(default_factory=dict)
    memory_limit_bytes: int = 0
    dies_with_parent: bool = False


def describe(request: Request) -> Answer:
    """The model's tensors, what is really executed, and the runtime."""
    runtime = runtime_named(request.runtime)
    session = _ready(runtime, request)
    return {
        "inputs": [asdict(spec) for spec in session.inputs],
        "outputs": [asdict(spec) for spec in session.outputs],
        "executed": [asdict(operator) for operator in session.executed()],
        "notes": list(session.notes),
        "runtime_version": runtime.version(),
    }


def identify(request: Request) -> Answer:
    """What tells this device from another, and the runtime's version."""
    told: Answer = {**fingerprint()}
    return {"device": told, "runtime_version": runtime_named(request.runtime).version()}


def heat(request: Request) -> Answer:
    """Whether the device holds its clock down at this moment."""
    return {"throttling": Throttling().told()}


def latency(request: Request) -> Answer:
    """The times of this process, as ProcessSamples has them."""
    runtime = runtime_named(request.runtime)
    start = time.perf_counter_ns()
    session = _ready(runtime, request)
    load_ns = time.perf_counter_ns() - start
    raw = random_inputs(session.inputs, request.seed)
    watched = Watched()
    times = time_session(session.invoke, raw, request.rule)
    told = {**_conditions(runtime, session, request), **watched.conditions()}
    share = watched.waiting_share
    return {**times, "load_ns": load_ns, "conditions": told, "waiting_share": share}


def turns(request: Request) -> Answer:
    """The times of several models in this process, each as ProcessSamples has them."""
    runtime = runtime_named(request.runtime)
    timed, loads, sessions = [], [], []
    for model in request.models:
        start = time.perf_counter_ns()
        session = _ready(runtime, replace(request, model=model))
        loads.append(time.perf_counter_ns() - start)
        sessions.append(session)
        timed.append(Timed(session.invoke, random_inputs(session.inputs, request.seed)))
    watched = Watched()
    times = time_in_turns(timed, request.rule, request.rounds, request.seed)
    told = {"shared_process": f"{len(timed)} models in turns", **watched.conditions()}
    share = {"waiting_share": watched.waiting_share}
    conditions = [{**_conditions(runtime, session, request), **told} for session in sessions]
    answers = zip(times, loads, conditions)
    return {"models": [{**t, "load_ns": load, "conditions": c, **share} for t, load, c in answers]}


def memory(request: Request) -> Answer:
    """The peak memory of this process in phases, as MemoryPhases has them."""
    peak = PeakMemory()
    runtime = runtime_named(request.runtime)
    found: Answer = {"import_bytes": peak.resident_bytes()}
    session = runtime.Session(request.model, request.threads, request.shapes)
    found["load_bytes"] = peak.phase_bytes()
    session.prepare()
    found["prepare_bytes"] = peak.phase_bytes()
    raw = random_inputs(session.inputs, request.seed)
    for _ in range(_SETTLING_INFERENCES):
        session.invoke(raw)
    found["infer_bytes"] = peak.phase_bytes()
    others = {"pss_bytes": pss_bytes(), "cgroup_peak_bytes": cgroup_peak_bytes()}
    return {**found, "reason": peak.reason, **others}


def energy(request: Request) -> Answer:
    """What a power sensor reads around and under load, as EnergyRound has it."""
    try:
        return _energy_round(sensor_of(request.sensors, request.sensor), request)
    except EnvironmentFault as error:  # there is no sensor, or it stopped being readable
        return asdict(EnergyRound(reason=str(error)))


def _energy_round(sensor: Sensor, request: Request) -> Answer:
    session = _ready(runtime_named(request.runtime), request)
    raw = random_inputs(session.inputs, request.seed)
    for _ in range(_SETTLING_INFERENCES):
        session.invoke(raw)
    return energy_round(sensor, lambda: session.invoke(raw), request.rule)


def infer(request: Request) -> Answer:
    """Runs every sample as a batch of 1 and writes the outputs, stacked, to `request.outputs`."""
    session = _ready(runtime_named(request.runtime), request)
    stacked = _loaded(request.inputs)
    rows = [session.run(_row(stacked, i)) for i in range(_count(stacked))]
    np.savez(request.outputs, *(_stacked(list(column)) for column in zip(*rows)))
    return {"count": len(rows)}


def layers(request: Request) -> Answer:
    """Writes the values of every 8-bit tensor, stacked over samples, to `request.outputs`."""
    runtime = runtime_named(request.runtime)
    stacked = _loaded(request.inputs)
    rows = [_row(stacked, i) for i in range(_count(stacked))]
    told, values = layers_of(runtime, request.runtime, request.model, request.threads, rows)
    np.savez(request.outputs, *values)
    return told


COMMANDS: Mapping[str, Callable[[Request], Answer]] = {
    "describe": describe,
    "identify": identify,
    "heat": heat,
    "latency": latency,
    "turns": turns,
    "memory": memory,
    "energy": energy,
    "infer": infer,
    "layers": layers,
}


def _ready(runtime: Runtime, request: Request) -> Session:
    session = runtime.Session(request.model, request.threads, request.shapes)
    session.prepare()
    return session


def _conditions(runtime: Runtime, session: Session, request: Request) -> Dict[str, str]:
    return {
        **conditions(),
        "runtime": runtime.version(),
        "threads": str(request.threads),
        "precision": runtime.PRECISION,
        "batch": "; ".join(session.notes) or "as in the file",
    }


def _loaded(path: str) -> List[np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def _count(stacked: List[np.ndarray]) -> int:
    counts = {array.shape[0] if array.ndim else 0 for array in stacked}
    if len(counts) != 1 or 0 in counts:
        raise ArtifactError(f"inputs must hold the same number of samples, found {sorted(counts)}")
    return counts.pop()


def _row(stacked: List[np.ndarray], index: int) -> List[np.ndarray]:
    return [array[index : index + 1] for array in stacked]


def _stacked(column: List[np.ndarray]) -> np.ndarray:
    batched = column[0].ndim > 0 and column[0].shape[0] == 1
    return np.concatenate(column) if batched else np.stack(column)
