"""The gate: a final artifact leaves as an improvement only where it is faster than its parents.

Its parents are the dense model in float32 and, where it is quantized, its own float32 version: the
same pruned weights. All of them are measured in turns of one session, and what is not faster with
95 % confidence is not called an improvement: the better one leaves, and the run says so.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline import evidence, making, stages
from pipeline.compare import told as comparison_told
from pipeline.desk import Desk
from pipeline.gated import Gated
from pipeline.results import Judged, Made, Results, excess
from pipeline.workspace import atomic_write
from targets import comparison
from targets.artifact import Artifact
from targets.budget import rank
from targets.comparison import Session
from targets.errors import ConversionError
from targets.ratios import LEAST_PAIRS
from targets.samples import measurement_from_json
from targets.trial import Seat

DENSE, OWN = "dense", "float32"
FINAL = "final"
UNCHANGED = "unchanged"
"""The name of the dense model where it is what leaves."""
LEAST_S, LEAST_WARMUP_S, LONGEST_WARMUP_S = 0.25, 0.1, 1.0
"""Each process of a session is shorter than one of a trial: a ratio rests on many processes side by
side, and no limit is judged by it."""
PARENTS = {DENSE: "the dense model", OWN: "its own float32 version"}


def hold(desk: Desk, results: Results) -> Results:
    """Compares each runtime's selected candidate with its parents, and settles what leaves.

    What leaves instead of it is among the candidates then, judged as any other.
    """
    judged, gated = list(results.judged), {}
    for runtime, final in results.selected.items():
        desk.console.step(f"gate: {final.made.name} against what it came from, on {runtime}")
        gate = _Gate(desk, results, runtime, final)
        gated[runtime], other = gate.outcome()
        if other is not None and not any(other is one for one in judged):
            judged.append(other)
        desk.console.remark(f"{runtime}: {gated[runtime].told}")
    return replace(results, judged=tuple(judged), gated=gated)


@dataclass(frozen=True)
class _Gate:
    """One runtime's final artifact, and the run that it came from."""

    desk: Desk
    results: Results
    runtime: str
    final: Judged

    @property
    def name(self) -> str:
        """The final candidate's."""
        return self.final.made.name

    def outcome(self) -> tuple[Gated, Judged | None]:
        """What was found, and the candidate that leaves instead, if one does."""
        parents = self._parents()
        rounds = self.desk.rule.comparison_rounds
        if not parents:
            return self._as_it_is("it is the dense model, and is no faster"), None
        if rounds < LEAST_PAIRS:
            why = f"{rounds} rounds tell nothing with 95% confidence, {LEAST_PAIRS} would"
            return self._as_it_is(f"not compared with what it came from: {why}"), None
        session = _session(self.desk, self.runtime, {**parents, FINAL: self._artifact})
        return self._settled(session, tuple(parents))

    @property
    def _artifact(self) -> Artifact:
        return self.final.made.seen[self.runtime].artifact

    def _as_it_is(self, why: str) -> Gated:
        return Gated(self.name, {}, self.name, f"{self.name}: {why}")

    def _parents(self) -> dict[str, Artifact]:
        """The dense artifact and the final one's float32 version, where they are others."""
        found = {DENSE: self.results.dense.seen[self.runtime].artifact}
        if (own := self._own()) is not None:
            found[OWN] = own
        shas = {self._artifact.sha256}
        parents = {}
        for name, artifact in found.items():
            if artifact.sha256 not in shas:
                parents[name] = artifact
            shas.add(artifact.sha256)
        return parents

    def _own(self) -> Artifact | None:
        """The same weights in float32; None where the converter can't take them."""
        if self.desk.quantize is None:
            return None
        exported = stages.export(self.desk, self.final.made.folder, None, (self.runtime,))
        why: object = exported.failures.get(self.runtime)
        if why is None:
            try:
                path = exported.files[self.runtime]
                return evidence.describe(self.desk, self.runtime, path).artifact
            except ConversionError as error:
                why = error
        self.desk.console.remark(f"{self.runtime}: no float32 version to compare with: {why}")
        return None

    def _settled(self, session: Session, parents: tuple[str, ...]) -> tuple[Gated, Judged | None]:
        against = {name: session.compare(name, FINAL) for name in parents}
        found = "; ".join(
            f"{one.verdict} against {PARENTS[name]}, {comparison_told(one)}"
            for name, one in against.items()
        )
        gated = Gated(self.name, against, self.name, f"{self.name}: {found}")
        if gated.improves:
            return gated, None
        instead = _instead(session, parents)
        if instead is None:
            return replace(gated, told=f"{gated.told}; it is delivered, as no improvement"), None
        other = self._candidate(instead)
        if other is not None and _is_better(other, self.final, self.runtime):
            out = f"; no improvement, so {PARENTS[instead]}, {other.made.name}, is delivered"
            return replace(gated, delivered=other.made.name, told=gated.told + out), other
        status = other.trials[self.runtime].verdict.status if other else "not made"
        why = f"{PARENTS[instead]} meets the budget less well ({status})"
        return replace(gated, told=f"{gated.told}; no improvement, but {why}"), other

    def _candidate(self, parent: str) -> Judged | None:
        """A parent as a candidate, judged by the budget; one that the run has already is taken."""
        made = self._made(parent)
        if self.runtime not in made.seen:
            return None
        sha256 = made.seen[self.runtime].artifact.sha256
        for one in self.results.judged:
            seen = one.made.seen.get(self.runtime)
            if seen is not None and self.runtime in one.trials and seen.artifact.sha256 == sha256:
                return one
        return making.judge(self.desk, self.results.dense, made)

    def _made(self, parent: str) -> Made:
        dense = self.results.dense
        if parent == DENSE:
            seen = {self.runtime: dense.seen[self.runtime]}
            return replace(dense, name=UNCHANGED, seen=seen, failures={})
        name = f"{self.name.removesuffix('int8').removesuffix('-') or 'unpruned'}-float32"
        return making.make(self.desk, name, self.final.made.folder, None, (self.runtime,))


def _instead(session: Session, parents: tuple[str, ...]) -> str | None:
    """The parent that could leave instead of the final artifact; None where none is better.

    That is one which the final artifact is not faster than, and which is dense itself or faster
    than it. A session that can't be judged says nothing against the final artifact.
    """
    verdicts = {name: session.compare(name, FINAL).verdict for name in parents}
    if "invalid" in verdicts.values():
        return None
    own_is_faster = OWN in parents and session.compare(DENSE, OWN).verdict == "faster"
    if own_is_faster and verdicts[OWN] != "faster":
        return OWN
    return DENSE if verdicts.get(DENSE, "faster") != "faster" else None


def _is_better(parent: Judged, final: Judged, runtime: str) -> bool:
    """Whether a parent that is no slower leaves: where it meets the budget no less well."""
    of_parent, of_final = (one.trials[runtime].verdict for one in (parent, final))
    if of_parent.status != of_final.status:
        return rank(of_parent.status) > rank(of_final.status)
    lines = list(of_parent.lines), list(of_final.lines)
    return of_parent.status == "PASS" or excess(lines[0]) <= excess(lines[1])


def _session(desk: Desk, runtime: str, artifacts: Mapping[str, Artifact]) -> Session:
    """All artifacts in turns, kept as a step: who goes on with a run measures nothing twice."""
    rule = replace(
        comparison.rule_of(desk.rule),
        min_seconds=min(desk.rule.min_seconds, LEAST_S),
        warmup_min_s=min(desk.rule.warmup_min_s, LEAST_WARMUP_S),
        warmup_max_s=min(desk.rule.warmup_max_s, LONGEST_WARMUP_S),
        memory_processes=0,
    )

    def work(folder: Path) -> None:
        seats = {name: Seat(desk.targets[runtime], one) for name, one in artifacts.items()}
        held = comparison.hold(seats, rule, desk.console.progress)
        measured = {name: one.to_json() for name, one in held.measured.items()}
        document = {"measured": measured, "invalid": held.invalid}
        atomic_write(folder / "session.json", json.dumps(document) + "\n")

    inputs = {
        "artifacts": {name: one.sha256 for name, one in artifacts.items()},
        "rule": asdict(rule),
        "device": desk.device.model_dump(mode="json"),
    }
    folder = desk.workspace.step(f"gate-{runtime}", inputs, work)
    document = json.loads((folder / "session.json").read_text())
    measured = {name: measurement_from_json(one) for name, one in document["measured"].items()}
    return Session(measured, tuple(document["invalid"]))
