"""The table of costs: a document of everything that was measured on a device, and for what."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from pipeline.cost.key import Key
from pipeline.cost.sites import Model, Part, Widths
from pipeline.disk import atomic_write
from targets.errors import ArtifactError
from targets.measurement import median

Role = Literal["dense", "seen", "unseen", "window"]


class Timing(Part):
    """One artifact in one process, beside the reference in turns.

    Attributes:
        p50_ns: the median of its samples.
        reference_ns: the median of the dense artifact's in the same process.
        ratios: p90, p95 and p99 over p50, where there are samples enough.
        samples: how many.
    """

    p50_ns: int = Field(gt=0)
    reference_ns: int = Field(gt=0)
    ratios: Mapping[str, float]
    samples: int = Field(gt=0)


class Probe(Part):
    """One artifact that was made and measured, or the reason why not.

    Attributes:
        name: what it is, for people.
        role: `dense` is the reference; `seen` and `window` are fitted to; `unseen` are kept to
            tell the error of the fit, and then fitted to, too.
        sites: the widths of the axes of each of its sites, by the site's name.
        window: of a window, what it was cut around; else "".
        timings: one for each process.
        size_bytes: of the artifact's files.
        peak_memory_mb: of processes of their own, above the runtime's import.
        memory_reason: why there is no peak memory, where it was asked for.
        reason: why it could not be made or measured.
    """

    name: str
    role: Role
    sites: Mapping[str, Widths]
    window: str = ""
    timings: tuple[Timing, ...] = ()
    size_bytes: int | None = None
    peak_memory_mb: tuple[float, ...] = ()
    memory_reason: str | None = None
    reason: str | None = None

    def latency_ms(self, reference_ms: float) -> float:
        """Its p50, were the reference's this: drift over time is divided out."""
        return reference_ms * median([one.p50_ns / one.reference_ns for one in self.timings])

    def spread(self) -> float:
        """The widest distance of its processes from their median, relative to that."""
        ratios = [one.p50_ns / one.reference_ns for one in self.timings]
        middle = median(ratios)
        return max(abs(one / middle - 1) for one in ratios)


class Staircase(Part):
    """How the cost of a group goes with its width, measured on a window of the graph around it.

    Attributes:
        name: the group's.
        like: what has the same staircase: the sites around the group, without their sizes.
        widths, latency_ms: what was measured, ascending.
        ends: the widths that no wider one is as cheap as: the near ends of the plateaus.
        reason: why it was not measured; there are no ends then.
    """

    name: str
    like: str
    widths: tuple[int, ...] = ()
    latency_ms: tuple[float, ...] = ()
    ends: tuple[int, ...] = ()
    reason: str | None = None


class CostTable(Part):
    """What a model's widths and blocks cost on one device, runtime and precision.

    Attributes:
        key: what it is good for.
        model: the whole model's sites.
        legal: per group, the widths worth choosing, ascending, the full one last.
        probes: everything that was measured.
        staircases: where the plateaus end.
        seconds: how long the probing took, over all its sessions.
        ended: why it stopped.
    """

    version: Literal[1] = 1
    key: Key
    model: Model
    legal: Mapping[str, tuple[int, ...]]
    probes: tuple[Probe, ...]
    staircases: tuple[Staircase, ...] = ()
    seconds: float = Field(ge=0)
    ended: str

    @cached_property
    def dense(self) -> Probe:
        """The reference."""
        return next(probe for probe in self.probes if probe.role == "dense")

    @cached_property
    def reference_ms(self) -> float:
        """The dense artifact's p50, over all processes that it was in."""
        return median([one.p50_ns for one in self.dense.timings]) / 1e6

    def against(self, key: Key) -> None:
        """Raise UsageError, naming the differences, where this is no table for a key."""
        self.key.require(key, f"the table of {self.key.runtime}, {self.key.precision}")

    def measured(self) -> tuple[Probe, ...]:
        """The probes with times."""
        return tuple(probe for probe in self.probes if probe.timings)

    def declined(self) -> tuple[Probe, ...]:
        """The probes that have a reason instead of times."""
        return tuple(probe for probe in self.probes if probe.reason is not None)

    def save(self, path: Path) -> None:
        """Write the table as JSON, whole or not at all."""
        atomic_write(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a table. Raises ArtifactError for a file that can't be read or holds none."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as fault:
            raise ArtifactError(f"{path}: can't be read: {fault.strerror}") from fault
        except ValidationError as fault:
            first = fault.errors()[0]
            key = ".".join(map(str, first["loc"])) or "the file"
            raise ArtifactError(f"{path}: no table of costs: {key}: {first['msg']}") from fault
