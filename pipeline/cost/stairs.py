"""Climbing staircases: windows around groups, probed at the widths that bisection asks for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.cost.bisection import ends, next_widths
from pipeline.cost.design import grid
from pipeline.cost.journal import Journal
from pipeline.cost.legality import likeness
from pipeline.cost.making import pruned
from pipeline.cost.reading import Reading
from pipeline.cost.table import Probe, Staircase
from pipeline.cost.timing import Stopwatch
from pipeline.cost.windows import around
from pipeline.graph.trace import Graph
from pipeline.prune.block_planning import BlockEvidence
from targets.artifact import Artifact
from targets.errors import EdgesmithError

SESSIONS = 2
NO_BLOCKS = BlockEvidence((), 0)


class Workshop(Protocol):
    """What probing a window needs."""

    @property
    def graph(self) -> Graph:
        """The dense model."""

    @property
    def reading(self) -> Reading:
        """Its sites."""

    def make(self, graph: Graph, folder: Path) -> Artifact:
        """The graph's artifact."""


@dataclass
class _Stair:
    """One staircase in the making. `cut` is its window, once that is needed."""

    group: str
    like: str
    grid: tuple[int, ...]
    costs: dict[int, float] = field(default_factory=dict)
    cut: Graph | None = None
    reason: str | None = None

    def next(self) -> list[int]:
        """The widths to probe next."""
        return [] if self.reason is not None else next_widths(self.grid, self.costs)

    def told(self) -> Staircase:
        """What was found."""
        widths = tuple(sorted(self.costs))
        return Staircase(
            name=self.group,
            like=self.like,
            widths=widths,
            latency_ms=tuple(self.costs[width] for width in widths),
            ends=ends(self.grid, self.costs) if self.reason is None and self.costs else (),
            reason=self.reason,
        )


def climb(
    shop: Workshop, watch: Stopwatch, journal: Journal, goes_on: Callable[[], bool]
) -> dict[str, Staircase]:
    """The staircases of a model by what they are like, one for the widest group of each kind.

    All climb together, so that the windows of a round share a few processes. Where time ends
    before, what is not known yet counts as an edge.
    """
    return _Climb(shop, watch, journal).all(goes_on)


class _Climb:
    def __init__(self, shop: Workshop, watch: Stopwatch, journal: Journal) -> None:
        self._shop = shop
        self._watch = watch
        self._journal = journal

    def all(self, goes_on: Callable[[], bool]) -> dict[str, Staircase]:
        """Round by round."""
        stairs = [one for one in self._begun() if one.group not in self._journal.staircases]
        self._recall(stairs)
        while goes_on() and (asked := [(one, width) for one in stairs for width in one.next()]):
            self._round(asked)
        for one in stairs:
            self._journal.note(one.told())
        return {one.like: one for one in self._journal.staircases.values()}

    def _begun(self) -> Iterator[_Stair]:
        """One of each kind: the widest group; of equals the last, since the first layers of a
        stage are unlike its others."""
        model = self._shop.reading.model
        widest: dict[str, str] = {}
        for group, size in model.groups.items():
            like = likeness(model, group)
            if like is not None and size >= model.groups.get(widest.get(like, ""), 0):
                widest[like] = group
        for like, group in widest.items():
            yield _Stair(group, like, grid(model.groups[group]))

    def _recall(self, stairs: list[_Stair]) -> None:
        """What an earlier session measured."""
        for one in stairs:
            for width in one.grid:
                known = self._journal.probes.get(_named(one.group, width))
                if known is not None and len(known.timings) >= SESSIONS:
                    one.costs[width] = self._cost(known)
                elif known is not None and known.reason:
                    one.reason = known.reason

    def _round(self, asked: Sequence[tuple[_Stair, int]]) -> None:
        made: dict[str, Artifact] = {}
        for one, width in asked:
            try:
                made[_named(one.group, width)] = self._made(one, width)
            except EdgesmithError as error:
                one.reason = str(error)
                self._journal.note(_declined(one, width))
        for _ in range(SESSIONS):
            self._time(made)
        for one, width in asked:
            if one.reason is None:
                one.costs[width] = self._cost(self._journal.probes[_named(one.group, width)])

    def _made(self, stair: _Stair, width: int) -> Artifact:
        """The window's artifact, its group at a width."""
        if stair.cut is None:
            model = self._shop.reading.model
            sites = [site.name for site in model.sites if stair.group in site.groups()]
            stair.cut = around(self._shop.graph, self._shop.reading, sites)
        graph = pruned(stair.cut, NO_BLOCKS, {stair.group: width}, ())
        name = _named(stair.group, width)
        artifact = self._shop.make(graph, self._journal.work / name.replace(" ", "-"))
        present = self._shop.reading.present(graph)
        self._journal.note(
            Probe(name=name, role="window", sites=present, window=stair.group,
                  size_bytes=artifact.size_bytes)
        )  # fmt: skip
        return artifact

    def _time(self, made: Mapping[str, Artifact]) -> None:
        if not made:
            return
        number = len(self._journal.probes["dense"].timings)
        for name, timing in self._watch.session(made, number).items():
            known = self._journal.probes[name]
            timings = (*known.timings, timing)
            self._journal.note(known.model_copy(update={"timings": timings}))

    def _cost(self, probe: Probe) -> float:
        """Relative to the dense model, whatever that takes."""
        return probe.latency_ms(1.0)


def _named(group: str, width: int) -> str:
    return f"window {group} at {width}"


def _declined(stair: _Stair, width: int) -> Probe:
    return Probe(
        name=_named(stair.group, width), role="window", sites={}, window=stair.group,
        reason=stair.reason,
    )  # fmt: skip
