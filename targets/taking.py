"""What a sitting takes of one artifact, process by process, and the measurement that it becomes."""

from targets.artifact import Artifact
from targets.autocorrelation import autocorrelation
from targets.energy import EnergyRound, energy_conditions
from targets.measurement import Measurement, MemoryPhases, ProcessSamples, TimingRule, median
from targets.target import Target

_PHASES = ("import", "load", "prepare", "infer", "pss", "cgroup_peak")
TIMING, MEMORY, ENERGY = "timing", "memory of", "energy of"


class Taking:
    """What has been taken of one seat so far in a sitting."""

    def __init__(self, target: Target, artifact: Artifact, rule: TimingRule) -> None:
        self._target = target
        self._artifact = artifact
        self._rule = rule
        self._processes: list[ProcessSamples] = []
        self._memory: list[MemoryPhases] = []
        self._energy: list[EnergyRound] = []

    def take(self, what: str) -> None:
        """Takes one more of TIMING, MEMORY or ENERGY."""
        target, artifact = self._target, self._artifact
        if what == TIMING:
            self._processes.append(target.sample(artifact, self._rule))
        elif what == MEMORY:
            self._memory.append(target.memory(artifact))
        else:
            self._energy.append(target.energy(artifact, self._rule))

    def measurement(self) -> Measurement:
        """All that was taken."""
        return measurement_of(
            self._target,
            self._artifact,
            tuple(self._processes),
            tuple(self._memory),
            tuple(self._energy),
        )


def measurement_of(
    target: Target,
    artifact: Artifact,
    processes: tuple[ProcessSamples, ...],
    memory: tuple[MemoryPhases, ...] = (),
    energy: tuple[EnergyRound, ...] = (),
) -> Measurement:
    """Processes of one artifact with the conditions that they share."""
    conditions = {
        **_common(processes),
        **_noise(processes),
        **energy_conditions(energy),
        **_phases(memory),
        "device": target.device.name,
        "processes": str(len(processes)),
        "samples_per_process": _range([len(each.latency_ns) for each in processes]),
    }
    return Measurement(
        artifact.sha256, target.runtime, processes, memory, target.provenance, conditions, energy
    )


def _phases(memory: tuple[MemoryPhases, ...]) -> dict[str, str]:
    """Peak memory by phase, medians in MB; what prepare adds to load is the runtime's arena."""
    told = {}
    for name in _PHASES:
        found = [one for one in (getattr(each, f"{name}_bytes") for each in memory) if one]
        if found:
            told[f"memory_{name}_mb"] = f"{median(found) / 1e6:.1f}"
    return told


def _noise(processes: tuple[ProcessSamples, ...]) -> dict[str, str]:
    """How the samples changed and hung together, each as the median over processes."""
    return {
        "drift": f"{median([one.drift() for one in processes]):+.1%}",
        "reference_change": f"{median([one.reference_change() for one in processes]):+.1%}",
        "autocorrelation": f"{median([autocorrelation(one.latency_ns) for one in processes]):.2f}",
    }


def _common(processes: tuple[ProcessSamples, ...]) -> dict[str, str]:
    """The conditions, with all values of one that changed between processes."""
    names = dict.fromkeys(name for each in processes for name in each.conditions)
    return {
        name: ", ".join(dict.fromkeys(each.conditions.get(name, "none") for each in processes))
        for name in names
    }


def _range(counts: list[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return str(low) if low == high else f"{low} to {high}"
