"""The door: a model file and a device in, what will be slow there and why out.

Whatever comes with the file, this process only reads JSON: the file is parsed in one limited
process, and loaded in another on the device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.diagnose import (
    boundaries,
    files,
    operators,
    precision,
    sizes,
    transposes,
    versions,
)
from pipeline.diagnose.case import Case
from pipeline.diagnose.finding import ORDER, Finding
from targets import target as targets
from targets.artifact import files_of, format_of
from targets.calling import MEMORY_LIMIT_BYTES
from targets.device import DeviceProfile
from targets.errors import ArtifactError, ConversionError
from targets.reading import read
from targets.target import Description, Target
from targets.workload import Workload

SMALL_BYTES = 100_000_000
SMALL_LIMIT_BYTES = 1_900_000_000
"""A small file that asks for more memory than this to load is no model of an edge device."""

RULES = (files, operators, sizes, versions, boundaries, precision, transposes)
"""Modules of rules, each of which has `find(case)`."""


@dataclass(frozen=True)
class Analysis:
    """What was found before anything is measured.

    Attributes:
        findings: the worst first.
        target: the runtime on the device; None where the device can't be reached at all.
        description: what it says of the file; None where it was not asked, or refused.
        refusal: why the runtime does not take the file, if so.
        undecided: inputs whose sizes nobody stated, so that nothing can be measured.
        work: what the file declares; None where it can't be read.
    """

    findings: tuple[Finding, ...]
    target: Target | None = None
    description: Description | None = None
    refusal: ConversionError | None = None
    undecided: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    work: Workload | None = None


def analyse(
    path: Path, profile: DeviceProfile, shapes: Mapping[str, Sequence[int]] | None = None
) -> Analysis:
    """Reads and loads a model file, and looks for what costs time.

    Args:
        path: the file.
        profile: of the device.
        shapes: of inputs whose sizes the file leaves open, by name.

    Raises:
        ArtifactError: no model that its runtime can load, one without outputs, or one whose other
            files are missing or outside its folder.
        UsageError: the device lacks the file's runtime.
        DeviceUnreachable, EnvironmentFault: as their names say.
    """
    case = _declared(path, profile, dict(shapes or {}))
    undecided = sizes.undecided(case)
    if profile.link == "none" or undecided:
        return Analysis(_findings(case), undecided=undecided, work=case.work)
    target = targets.find(profile, case.runtime)
    target = replace(target, shapes={name: tuple(one) for name, one in case.sizes.items()})
    try:
        description = _confined(target, path).describe(path)
    except ConversionError as error:
        refused = replace(case, refused=str(error))
        return Analysis(_findings(refused), target, refusal=error, work=case.work)
    case = replace(case, description=description)
    return Analysis(_findings(case), target, description, work=case.work)


def _declared(path: Path, profile: DeviceProfile, shapes: Mapping[str, Sequence[int]]) -> Case:
    format_of(path)
    companions = tuple(file for file in files_of(path)[1:] if path.suffix == ".onnx")
    if path.stat().st_size == 0:
        raise ArtifactError(f"{path}: can't be read: the file is empty")
    work, unread = None, ""
    try:
        work = read(path)
    except ArtifactError as error:
        unread = str(error)
    if work is not None and not work.outputs:
        raise ArtifactError(f"{path}: the model has no outputs; export it with what it computes")
    return Case(path, profile, work, unread, sizes=shapes, companions=companions)


def _confined(target: Target, path: Path) -> Target:
    size_bytes = sum(file.stat().st_size for file in files_of(path))
    limit = SMALL_LIMIT_BYTES if size_bytes <= SMALL_BYTES else MEMORY_LIMIT_BYTES
    return replace(target, memory_limit_bytes=limit)


def _findings(case: Case) -> tuple[Finding, ...]:
    found = [one for rules in RULES for one in rules.find(case)]
    return tuple(sorted(found, key=lambda one: ORDER.index(one.severity)))
