"""A pruning plan: what goes, what stays and why, as a document that replays on a fresh trace."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from pipeline.graph.census import Mask
from pipeline.graph.groups import Survey
from pipeline.graph.pinned import held_macs
from pipeline.prune.masks import WeightPlan
from pipeline.prune.settings import Document, Settings
from targets.errors import ArtifactError

Count = Annotated[int, Field(ge=0)]
_LATER = (
    "blocks",
    "weights",
    "limits",
)  # keys that plans of this version did not have from the start


class GroupPlan(Document):
    """One channel group: which of its `size` channels go, and why none where none may."""

    name: str
    size: Annotated[int, Field(ge=1)]
    removed: tuple[int, ...]
    parameters: tuple[str, ...]
    reason: str | None = None

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if list(self.removed) != sorted({i for i in self.removed if 0 <= i < self.size}):
            raise ValueError(f"{self.name}: removed must be ascending, within 0..{self.size - 1}")
        if len(self.removed) == self.size:
            raise ValueError(f"{self.name}: a group can't lose all of its {self.size} channels")
        return self

    @property
    def kept(self) -> int:
        """How many channels stay."""
        return self.size - len(self.removed)


class PinnedPlan(Document):
    """A parameter's dimension that stays whole, and why. `macs` run over it and stay, per example,
    whatever may go."""

    name: str
    reason: str
    macs: Count


class BlockPlan(Document):
    """One block: whether it goes, and why not where it must stay. MACs are per example."""

    name: str
    removed: bool
    macs: Count
    parameters: Count
    reason: str | None = None

    @model_validator(mode="after")
    def _may_go(self) -> Self:
        if self.removed and self.reason is not None:
            raise ValueError(f"{self.name}: it can't go: it {self.reason}")
        return self


class PrunePlan(Document):
    """A plan for one model. MACs are per example; parameters are counted in elements. `macs_pinned`
    would be left without any group that may be pruned.

    Blocks go first: the groups are those of the graph without them. Single weights go last: their
    shapes are those of the graph that the rest of the plan leaves.
    """

    version: Literal[1] = 1
    settings: Settings
    groups: tuple[GroupPlan, ...]
    pinned: tuple[PinnedPlan, ...]
    macs_pinned: Count
    macs_dense: Count
    macs_kept: Count
    parameters_dense: Count
    parameters_kept: Count
    blocks: tuple[BlockPlan, ...] = ()
    weights: tuple[WeightPlan, ...] = ()

    def save(self, path: Path | str) -> None:
        """Write the plan as JSON."""
        Path(path).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a plan.

        Raises ArtifactError for a file that can't be read or holds no plan, one with keys too many
        or too few included.
        """
        try:
            plan = cls.model_validate_json(Path(path).read_bytes())
        except OSError as fault:
            raise ArtifactError(f"{path}: can't be read: {fault.strerror}") from fault
        except ValidationError as fault:
            first = fault.errors()[0]
            key = ".".join(map(str, first["loc"])) or "the file"
            raise ArtifactError(f"{path}: no pruning plan: {key}: {first['msg']}") from fault
        if missing := _missing(plan):
            raise ArtifactError(f"{path}: no pruning plan: {missing}: Field required")
        return plan

    def removed(self) -> dict[str, tuple[int, ...]]:
        """The channels that go, by group."""
        return {group.name: group.removed for group in self.groups}

    def saved(self) -> tuple[int, int]:
        """The MACs and the parameters of the blocks that go."""
        return saved_by(self.blocks)


def saved_by(blocks: Sequence[BlockPlan]) -> tuple[int, int]:
    """The MACs and the parameters of those blocks that go."""
    going = [block for block in blocks if block.removed]
    return sum(block.macs for block in going), sum(block.parameters for block in going)


def _missing(part: BaseModel, place: str = "") -> str:
    """The first key that a file left out, though the program has a value for it; or ''."""
    for key in type(part).model_fields:
        if key not in (*part.model_fields_set, *_LATER):
            return place + key
        value = getattr(part, key)
        parts = value if isinstance(value, tuple) else (value,)
        for index, one in enumerate(parts):
            inner = f"{place}{key}.{index}." if isinstance(value, tuple) else f"{place}{key}."
            if isinstance(one, BaseModel) and (found := _missing(one, inner)):
                return found
    return ""


def pinned_plans(found: Survey, closed: Mask) -> tuple[PinnedPlan, ...]:
    """What is pinned, as it stands in a plan. `closed` removes everything that may be pruned."""
    held = held_macs(found.census, found.pinned, closed)
    return tuple(
        PinnedPlan(name=one.name, reason=one.reason, macs=macs)
        for one, macs in zip(found.pinned, held, strict=True)
    )


def check_fits(plan: PrunePlan, survey: Survey) -> None:
    """Raise ArtifactError, naming the first difference, for a plan that is another model's.

    The survey is of the graph without the plan's blocks.
    """
    for difference in _differences(plan, survey):
        raise ArtifactError(f"the plan belongs to another model: {difference}")
    alive = survey.alive(plan.removed())
    if (survey.census.kept(alive) == 0).any():
        raise ArtifactError("the plan would leave a dimension of the model empty")


def _differences(plan: PrunePlan, survey: Survey) -> list[str]:
    found: list[str] = []
    members = zip(survey.names, map(len, survey.members), survey.reach, strict=True)
    for planned, own in zip_longest(plan.groups, members):
        if planned is None or own is None:
            side = "the plan lacks group" if planned is None else "the model lacks group"
            found.append(f"{side} {own[0] if planned is None else planned.name}")
        elif (planned.name, planned.size) != own[:2]:
            of_plan = f"group {planned.name} of {planned.size} channels"
            found.append(f"the plan has {of_plan}, the model {own[0]} of {own[1]}")
        elif planned.parameters != own[2]:
            other = sorted(set(planned.parameters) ^ set(own[2])) or list(own[2])
            found.append(f"group {planned.name} reaches {other[0]} in only one of them")
    census, (macs, parameters) = survey.census, plan.saved()
    macs += census.count_macs(census.everything())
    parameters += census.count_parameters(census.everything())
    for name, planned_count, count in (
        ("MACs", plan.macs_dense, macs),
        ("parameters", plan.parameters_dense, parameters),
    ):
        if planned_count != count:
            found.append(f"the plan's model has {planned_count} {name}, this one {count}")
    return found
