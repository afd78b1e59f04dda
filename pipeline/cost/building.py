"""Probing a device: staircases first, then whole models in batches, until it is precise enough or
the time is up.

Every probe is an artifact made by the same doors as the real one. A batch is made, then timed in
turns with the dense artifact in several fresh processes, each in an order of its own, and noted in
the journal row by row.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.cost.costs import Costs
from pipeline.cost.design import Design, corners, disjoint, draw
from pipeline.cost.journal import Journal, open_journal
from pipeline.cost.key import Key
from pipeline.cost.legality import legal_widths
from pipeline.cost.making import pruned
from pipeline.cost.reading import Reading
from pipeline.cost.sites import Widths
from pipeline.cost.stairs import climb
from pipeline.cost.table import CostTable, Probe, Role, Staircase
from pipeline.cost.timing import Stopwatch, Times, check_steady
from pipeline.graph.groups import survey
from pipeline.graph.trace import Graph
from pipeline.prune.block_planning import BlockEvidence, plan_blocks
from pipeline.prune.skipping import without_blocks
from targets.artifact import Artifact
from targets.errors import ArtifactError, ConversionError
from targets.measurement import MemoryPhases

PROCESSES = 3
BATCH, LEAST_BATCH = 12, 4
EVERY_UNSEEN = 5
"""Of the random models every fifth is kept from the fit, to tell its error."""
MOST_UNSEEN = 8
LEAST_MODELS, MOST_MODELS = 36, 96
PRECISE, LARGEST = 0.035, 0.08
"""Precise enough: nine in ten of the unseen this near, and none further off than the second."""
STAIRS_SHARE = 0.25
"""Of the time, at most this for staircases."""
Progress = Callable[[str, float], None]


class Makes(Protocol):
    """What makes an artifact of a graph."""

    def __call__(self, graph: Graph, folder: Path) -> Artifact:
        """The artifact; raises ConversionError where there can't be one."""


class Measures(Times, Protocol):
    """What measures artifacts: a target."""

    def memory(self, artifact: Artifact) -> MemoryPhases:
        """The peak memory of one fresh process in phases."""


@dataclass(frozen=True)
class Bench:
    """Everything that probing needs.

    Attributes:
        graph: the dense model.
        reading: its sites.
        evidence: its blocks.
        key: what the table will be good for.
        make: makes artifacts.
        target: measures them.
        folder: where tables are kept.
        progress: told of every probe: a message, and the fraction done.
        seed: of all that is drawn.
        rest: waits for as many seconds, where the device was disturbed.
    """

    graph: Graph
    reading: Reading
    evidence: BlockEvidence
    key: Key
    make: Makes
    target: Measures
    folder: Path
    progress: Progress
    seed: int = 0
    rest: Callable[[float], None] = time.sleep


def kept_table(folder: Path, key: Key) -> CostTable | None:
    """The table that another run left for this key, if any."""
    path = table_path(folder, key)
    if not path.exists():
        return None
    try:
        table = CostTable.load(path)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; remove that file to probe anew") from error
    table.key.require(key, str(path))
    return table


def table_path(folder: Path, key: Key) -> Path:
    """Where the table of a key is kept."""
    return folder / f"{key.digest}.json"


def build(bench: Bench, minutes: float) -> CostTable:
    """The table, probed for at most about so many minutes, over all sessions that it takes.

    Raises:
        ConversionError: the runtime can't take the dense model.
        MeasurementInvalid: the device drifts.
        FolderInUse: another process probes for the same table.
    """
    with open_journal(bench.folder, bench.key.digest) as journal:
        if (found := kept_table(bench.folder, bench.key)) is not None:
            return found
        table = _Probing(bench, journal, minutes * 60).table()
        table.save(table_path(bench.folder, bench.key))
        journal.close()
        return table


class _Probing:
    """One session of probing."""

    def __init__(self, bench: Bench, journal: Journal, budget_s: float) -> None:
        self._bench = bench
        self._journal = journal
        self._budget_s = budget_s
        self._spent_before = journal.seconds
        self._began = time.monotonic()
        self._blocks = disjoint(bench.evidence)
        self._corners = corners(self._blocks)
        reference = bench.make(bench.graph, journal.work / "dense")
        self._watch = Stopwatch(bench.target, reference, rest=bench.rest)
        if "dense" not in journal.probes:
            self._note(self._probe("dense", "dense", bench.graph, reference.size_bytes))

    def table(self) -> CostTable:
        """The finished table."""
        self._weigh("dense", self._watch.reference)
        self._tell("probing widths by bisection")
        steps = climb(self._bench, self._watch, self._journal, self._left(STAIRS_SHARE))
        legal = legal_widths(self._bench.reading.model, steps)
        ended = self._probe_models()
        return self._drafted(legal, steps, ended)

    # ---------------------------------------------------------------- whole models
    def _probe_models(self) -> str:
        """Batch by batch, the last as large as there is time for; says why it ended."""
        designs = self._designs()
        done, size = 0, BATCH
        while True:
            batch = [design for _, design in zip(range(size), designs, strict=False)]
            began = self._seconds()
            self._do(batch)
            done += len(batch)
            if done >= MOST_MODELS:
                return f"{done} models were probed"
            if done >= LEAST_MODELS and self._is_precise():
                return "it is precise enough"
            size = self._affordable((self._seconds() - began) / len(batch))
            if size < LEAST_BATCH:
                return f"the time of {self._budget_s / 60:g} minutes is up"

    def _affordable(self, each_s: float) -> int:
        """How many more models there is time for, at most a batch."""
        left_s = self._budget_s - self._seconds()
        return min(BATCH, int(max(0.0, left_s) / max(each_s, 1e-3)))

    def _designs(self) -> Iterator[tuple[Design, Role]]:
        yield from ((design, "seen") for design in self._corners)
        unseen = 0
        for number in range(1, MOST_MODELS + 1):
            is_unseen = number % EVERY_UNSEEN == 0 and unseen < MOST_UNSEEN
            unseen += is_unseen
            yield draw(number, self._blocks, self._bench.seed), "unseen" if is_unseen else "seen"

    def _do(self, batch: Sequence[tuple[Design, Role]]) -> None:
        made: dict[str, Artifact] = {}
        for design, role in batch:
            if self._is_done(design, role):
                continue
            self._tell(f"making {design.name}")
            if (artifact := self._make(design, role)) is not None:
                made[design.name] = artifact
        self._time(made)
        for design, role in batch:
            if design.name in made and self._is_weighed(design, role):
                self._weigh(design.name, made[design.name])

    def _is_weighed(self, design: Design, role: Role) -> bool:
        """Whether a model's memory is measured: that of the corners, which span all others, and of
        the unseen. A fit of few unknowns needs few."""
        return role == "unseen" or design in self._corners

    def _is_done(self, design: Design, role: Role) -> bool:
        known = self._journal.probes.get(design.name)
        if known is None or known.reason:
            return known is not None
        weighed = known.peak_memory_mb or known.memory_reason
        timed = len(known.timings) >= PROCESSES
        return timed and bool(weighed or not self._is_weighed(design, role))

    def _make(self, design: Design, role: Role) -> Artifact | None:
        """The design's artifact, or None where the journal has the reason why not."""
        bench = self._bench
        going = plan_blocks(bench.evidence, names=design.blocks) if design.blocks else ()
        rest = survey(without_blocks(bench.graph, going))
        sizes = dict(zip(rest.names, map(len, rest.members), strict=True))
        graph = pruned(bench.graph, bench.evidence, design.widths(sizes), design.blocks)
        try:
            artifact = bench.make(graph, self._journal.work / design.name.replace(" ", "-"))
        except ConversionError as error:
            self._note(self._probe(design.name, role, graph, None, str(error)))
            return None
        if design.name not in self._journal.probes:
            self._note(self._probe(design.name, role, graph, artifact.size_bytes))
        return artifact

    def _time(self, made: Mapping[str, Artifact]) -> None:
        """In fresh processes, each in an order of its own, until all have enough."""
        while pending := [name for name in made if self._missing(name)]:
            number = len(self._journal.probes["dense"].timings)
            self._tell(f"timing {len(pending)} models")
            random.Random(f"{self._bench.seed} {number}").shuffle(pending)
            timings = self._watch.session({name: made[name] for name in pending}, number)
            for name, timing in timings.items():
                known = self._journal.probes[name]
                self._note(known.model_copy(update={"timings": (*known.timings, timing)}))
            dense = self._journal.probes["dense"].timings
            check_steady([one.reference_ns for one in dense])

    def _missing(self, name: str) -> bool:
        return len(self._journal.probes[name].timings) < PROCESSES

    def _weigh(self, name: str, artifact: Artifact) -> None:
        """The peak memory of a process of its own; once is enough."""
        probe = self._journal.probes[name]
        if probe.peak_memory_mb or probe.memory_reason:
            return
        phases = self._bench.target.memory(artifact)
        peak = phases.above_import_bytes()
        update = (
            {"memory_reason": phases.reason or "not measured"}
            if peak is None
            else {"peak_memory_mb": (peak / 1e6,)}
        )
        self._note(probe.model_copy(update=update))

    # ---------------------------------------------------------------- the rest
    def _probe(
        self, name: str, role: Role, graph: Graph, size: int | None, reason: str | None = None
    ) -> Probe:
        present: Mapping[str, Widths] = self._bench.reading.present(graph)
        return Probe(name=name, role=role, sites=present, size_bytes=size, reason=reason)

    def _note(self, probe: Probe) -> None:
        self._journal.seconds = self._seconds()
        self._journal.note(probe)

    def _seconds(self) -> float:
        return self._spent_before + time.monotonic() - self._began

    def _left(self, share: float) -> Callable[[], bool]:
        """Whether less than a share of the time is spent."""
        return lambda: self._seconds() < share * self._budget_s

    def _tell(self, message: str) -> None:
        self._bench.progress(message, min(0.99, self._seconds() / self._budget_s))

    def _is_precise(self) -> bool:
        error = Costs(self._drafted({}, {}, "")).own_error()
        return error is not None and error.p90 <= PRECISE and error.largest <= LARGEST

    def _drafted(
        self,
        legal: Mapping[str, tuple[int, ...]],
        steps: Mapping[str, Staircase],
        ended: str,
    ) -> CostTable:
        """The table of all that the journal has."""
        return CostTable(
            key=self._bench.key,
            model=self._bench.reading.model,
            legal=legal,
            probes=tuple(self._journal.probes.values()),
            staircases=tuple(steps.values()),
            seconds=self._seconds(),
            ended=ended,
        )
