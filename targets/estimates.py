"""A device that can't be reached, judged by what the file alone tells: nothing of it ever passes
but the size, which is a fact of the file."""

from collections.abc import Mapping
from pathlib import Path

from targets.artifact import Artifact, digest, files_of, format_of
from targets.budget import Budget, Observation, judge
from targets.device import DeviceProfile
from targets.errors import ArtifactError, UsageError
from targets.measurement import Measurement
from targets.modelled import MODELLED, estimate
from targets.target import Description
from targets.trial import CANDIDATE, Attempt, absolute_only, judge_sitting


def estimated(
    path: Path,
    device: DeviceProfile,
    budget: Budget,
    facts: Mapping[str, Observation] | None = None,
) -> tuple[Description, Attempt]:
    """A model file judged by estimates; `facts` are observations of metrics.

    Raises:
        UsageError: the device lacks the file's runtime, or a limit is in percent of dense.
        ArtifactError: the file's operators can't be read.
    """
    absolute_only(budget)
    artifact = unloaded(path)
    if artifact.runtime not in device.runtimes:
        raise UsageError(
            f"device '{device.name}' has no runtime '{artifact.runtime}'; "
            f"it has: {', '.join(device.runtimes)}"
        )
    found = estimate(artifact)
    note = (
        f"estimated from the file: {found['macs'] / 1e6:.3g} million MACs, "
        f"{found['peak_activation_bytes'] / 1e3:.4g} kB of activations at their peak, "
        f"{found['constant_bytes'] / 1e3:.4g} kB of constants, {found['energy_mj']:.3g} mJ at 45 nm"
    )
    nothing = Measurement(artifact.sha256, artifact.runtime, (), (), MODELLED)
    attempt = judge_sitting(
        {CANDIDATE: nothing}, {CANDIDATE: artifact}, budget, {CANDIDATE: facts or {}}
    )
    return Description(artifact, (), "unavailable: the device is not reached", (note,)), attempt


def unmeasured(
    path: Path, budget: Budget, reason: str, facts: Mapping[str, Observation]
) -> tuple[Description, Attempt]:
    """A model file that can't be run, judged by its size and by `facts`, which are of metrics.

    Raises UsageError for a limit in percent of dense.
    """
    absolute_only(budget)
    artifact = unloaded(path)
    seen = {name: Observation(missing_reason=reason) for name in budget.limits()} | {
        **facts,
        "size_kb": Observation(value=artifact.size_bytes / 1000),
    }
    nothing = Measurement(artifact.sha256, artifact.runtime, (), (), MODELLED)
    described = Description(artifact, (), "unavailable: nothing was run", (reason,))
    return described, Attempt(None, nothing, judge(budget.against({}), seen))


def unloaded(path: Path) -> Artifact:
    """A model's file as it lies there: nobody loaded it, so that its tensors are not known.

    Raises ArtifactError for a file that can't be read or is of no model format.
    """
    name = format_of(path)
    try:
        sha256, size_bytes = digest(files_of(path))
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error}") from error
    return Artifact(path, name, sha256, size_bytes, (), ())
