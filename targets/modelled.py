"""Observations that are modelled from the file, for what a device can't tell. None ever passes."""

from collections.abc import Mapping
from dataclasses import replace

from targets.artifact import Artifact
from targets.budget import Budget, Observation
from targets.errors import ArtifactError
from targets.reading import read
from targets.workload import Workload

MODELLED = "modelled"
MODELS = ("peak_memory_mb", "energy_mj")


def estimate(artifact: Artifact) -> Mapping[str, float]:
    """What the file asks of a device. Raises ArtifactError where it can't be read."""
    return estimate_of(read(artifact.path))


def estimate_of(work: Workload) -> dict[str, float]:
    """MACs, bytes and energy of one inference."""
    return {
        "macs": work.macs,
        "peak_activation_bytes": work.peak_activation_bytes(),
        "constant_bytes": work.constant_bytes(),
        "energy_mj": work.energy_mj(),
    }


def instead(
    budget: Budget, seen: Mapping[str, Observation], artifact: Artifact
) -> dict[str, Observation]:
    """Modelled observations for the budget's limits that nothing was measured of."""
    gaps = {
        name: seen[name].missing_reason
        for name in MODELS
        if name in budget.limits() and name in seen and seen[name].missing_reason
    }
    found = modelled(artifact) if gaps else {}
    return {
        name: replace(found[name], unmeasured_reason=reason)
        for name, reason in gaps.items()
        if found[name].missing_reason is None
    }


def modelled(artifact: Artifact) -> dict[str, Observation]:
    """Peak memory and energy as the file lets expect; both missing where it can't be read.

    Memory is the most of activations alive at once and all constants, since these are loaded.
    """
    try:
        found = estimate(artifact)
    except ArtifactError as error:
        missing = Observation(missing_reason=str(error))
        return {"peak_memory_mb": missing, "energy_mj": missing}
    held = found["peak_activation_bytes"] + found["constant_bytes"]
    return {
        "peak_memory_mb": Observation(value=held / 1e6, provenance=MODELLED),
        "energy_mj": Observation(value=found["energy_mj"], provenance=MODELLED),
    }
