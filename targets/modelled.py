"""Observations that are modelled from the file, for what a device can't tell. None ever passes."""

import json
from collections.abc import Mapping
from dataclasses import replace

from targets.artifact import Artifact
from targets.budget import Budget, Observation
from targets.errors import ArtifactError
from targets.link.local import Local

MODELLED = "modelled"
MODELS = ("peak_memory_mb", "energy_mj")
_TIMEOUT_S = 120.0


def estimate(artifact: Artifact) -> Mapping[str, float]:
    """What targets.estimating tells of the file. Raises ArtifactError where it can't be read."""
    link = Local()
    path = str(artifact.path.resolve())
    try:
        done = link.run(
            (link.python, "-m", "targets.estimating", artifact.runtime, path),
            stdin=b"",
            environment={"PYTHONPATH": link.code, "OMP_NUM_THREADS": "1"},
            timeout_s=_TIMEOUT_S,
        )
        found = json.loads(done.stdout)
        return {str(name): float(value) for name, value in found.items()}
    except (TimeoutError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{artifact.path}: its operators can't be read") from error


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
