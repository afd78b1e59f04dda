"""The groups of a recipe's model, as one document: what the table, the page and --json show."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from pipeline.graph import ChannelGroup, Graph
from pipeline.graph.groups import describe, survey
from pipeline.graph.pinned import Pinned, held_macs
from pipeline.prune.blocks import find_blocks
from pipeline.prune.importance import observe
from pipeline.prune.settings import Settings, settings_of
from pipeline.prune.widths import Choices, choices
from pipeline.recipe import Prune


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Group(_Part):
    """Channels that can go one by one, each with all that hangs on it.

    Attributes:
        name: the first dimension of a parameter that holds them.
        size: how many there are.
        least: the fewest that a plan by this recipe may keep.
        macs_share: of the model's multiply-accumulates, what would go with the whole group.
        parameters_share: of its trained parameters, the same.
        parameters: the dimensions that it reaches, as name[dimension].
        multiplies_with: the groups that are other axes of the same dimension, as heads are.
        reason: why it stays whole; None where it may be pruned.
    """

    name: str
    size: int
    least: int
    macs_share: float
    parameters_share: float
    parameters: tuple[str, ...]
    multiplies_with: tuple[str, ...]
    reason: str | None


class BlockPart(_Part):
    """A residual branch or a block that can go whole, its shares of the model, or why it stays."""

    name: str
    macs_share: float
    parameters_share: float
    reason: str | None


class PinnedDimension(_Part):
    """A parameter's dimension that must stay whole, and why. `macs_share`, of the model's, runs
    over it and stays whatever goes."""

    name: str
    reason: str
    macs_share: float


class Groups(_Part):
    """All groups of a model, and what is pinned.

    Attributes:
        recipe: its name.
        macs: multiply-accumulates per example.
        parameters: elements of trained parameters.
        macs_pinned_share: of the MACs, what would be left without any group that may be pruned.
        parameters_pinned_share: of the parameters, the same.
        groups: in the order of their first use.
        blocks: what can go whole; some overlap.
        pinned: dimensions that no group holds, for a reason.
    """

    recipe: str
    macs: int
    parameters: int
    macs_pinned_share: float
    parameters_pinned_share: float
    groups: tuple[Group, ...]
    blocks: tuple[BlockPart, ...]
    pinned: tuple[PinnedDimension, ...]


def examine(recipe: str, graph: Graph, prune: Prune | None) -> Groups:
    """The groups of a graph as a recipe's prune step sees them.

    Raises UsageError for patterns of the step that match nothing.
    """
    found = survey(graph)
    evidence = observe(graph, found).groups
    open_to = choices(evidence, found.reach, _settings(prune))
    partners = {one.name: tuple(evidence[other].name for other in one.partners) for one in evidence}
    census, everything = found.census, found.census.everything()
    closed = found.closed(open_to.reasons)
    macs, parameters = census.count_macs(everything), census.count_parameters(everything)
    return Groups(
        recipe=recipe,
        macs=macs,
        parameters=parameters,
        macs_pinned_share=census.count_macs(closed) / max(1, macs),
        parameters_pinned_share=census.count_parameters(closed) / max(1, parameters),
        groups=tuple(_groups(describe(found), open_to, partners)),
        blocks=tuple(_blocks(graph, max(1, macs), max(1, parameters))),
        pinned=tuple(_pinned(found.pinned, held_macs(census, found.pinned, closed), max(1, macs))),
    )


def _pinned(pinned: Sequence[Pinned], held: Sequence[int], macs: int) -> Iterator[PinnedDimension]:
    for one, own in zip(pinned, held, strict=True):
        yield PinnedDimension(name=one.name, reason=one.reason, macs_share=own / macs)


def _blocks(graph: Graph, macs: int, parameters: int) -> Iterator[BlockPart]:
    for one in find_blocks(graph):
        yield BlockPart(
            name=one.name,
            macs_share=one.macs / macs,
            parameters_share=one.parameters / parameters,
            reason=one.reason,
        )


def _settings(prune: Prune | None) -> Settings:
    """What decides which groups are open; how much is to go does not matter here."""
    if prune is None:
        return Settings(ratio=0.0)
    return settings_of(
        {
            "ratio": 0.0,
            "strategy": prune.strategy,
            "multiple": prune.multiple,
            "keep": prune.keep,
            "bounds": prune.bounds,
        }
    )


def _groups(
    described: Iterator[ChannelGroup], open_to: Choices, partners: Mapping[str, tuple[str, ...]]
) -> Iterator[Group]:
    for one, widths, reason in zip(described, open_to.widths, open_to.reasons, strict=True):
        yield Group(
            name=one.name,
            size=one.size,
            least=widths[0],
            macs_share=one.macs_share,
            parameters_share=one.parameters_share,
            parameters=one.parameters,
            multiplies_with=partners[one.name],
            reason=reason,
        )
