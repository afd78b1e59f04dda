"""A model file beside its baseline: measured again in turns, and what that adds to a check."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import check
from pipeline.check import Checked, Saying
from pipeline.ci import baseline as baselines
from pipeline.ci.baseline import Baseline
from pipeline.compare import Sides
from pipeline.given import NOTHING, Given
from pipeline.looking import Looked, look
from targets import regression
from targets.artifact import RUNTIME_OF_FORMAT, files_of, format_of
from targets.budget import Budget, Verdict, worst
from targets.device import DeviceProfile
from targets.errors import DeviceUnreachable, RecipeError, UsageError
from targets.estimates import unloaded
from targets.measurement import Measurement, TimingRule, unavailable
from targets.occupancy import occupied
from targets.regression import BASELINE, NEW, Allowed, Regression
from targets.target import Description
from targets.trial import Seat


@dataclass(frozen=True)
class Gate:
    """What `--baseline` and `--max-regression` ask for.

    Attributes:
        run: the run whose artifact is the baseline.
        allowed: how much worse the new model may be.
    """

    run: Path
    allowed: Allowed

    @classmethod
    def read(cls, run: Path | None, texts: Sequence[str]) -> "Gate | None":
        """The gate of the command line; None where none was asked for.

        Raises:
            UsageError: one of the two is given without the other.
            RecipeError: an increase that can't be read, or one quantity twice.
        """
        if run is None and not texts:
            return None
        if run is None:
            raise UsageError("--max-regression needs the run to compare with: --baseline RUN")
        if not texts:
            raise UsageError(
                "--baseline needs what may not get worse: --max-regression latency_ms.p50=5%"
            )
        found = [regression.allowed_from_text(text) for text in texts]
        names = [name for name, _ in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RecipeError(f"--max-regression {twice[0]} is given twice; state it once")
        return cls(run, dict(found))


@dataclass(frozen=True)
class _Beside:
    """The new model beside the baseline: what both are, and what their sessions came to."""

    gate: Gate
    baseline: Baseline
    verdict: Verdict
    new: Description
    measured: Measurement
    found: Regression | None = None
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The check's `baseline` section. Ratios are new / baseline."""
        row, found = self.baseline.row, self.found
        told = {
            "run": str(self.baseline.run),
            "recipe": self.baseline.recipe,
            "candidate": row.name,
            "runtime": row.runtime,
            "sha256": row.artifact.sha256,
            "artifact": str(self.baseline.path or unavailable(self.baseline.missing)),
            "max_regression": dict(self.gate.allowed),
            "notes": list(self.notes),
        }
        if found is None or not found.measured:
            return told
        return {
            **told,
            "ratio": {name: asdict(ratio) for name, ratio in found.ratios.items()},
            "sessions": [
                {"status": one.verdict.status, "pairs": len(one.measured[NEW].processes)}
                for one in found.attempts
            ],
            "measurement": found.measured[BASELINE].summary(),
        }


def checked(
    model: Path,
    profile: DeviceProfile,
    stated: Budget,
    rule: TimingRule | None,
    console: Saying,
    gate: Gate,
    given: Given = NOTHING,
) -> Checked:
    """A model judged by the stated limits, if any, and beside the baseline of a gate.

    Raises what a check raises, and:
        ArtifactError: the model or the run can't be read.
        UsageError: the baseline is of another device, or has no artifact for the model's runtime.
    """
    found = baselines.find(gate.run, RUNTIME_OF_FORMAT[format_of(model)], profile)
    files_of(model)  # all are there, before anything is waited for
    with nullcontext() if profile.link == "none" else occupied(profile.seat, console.remark):
        asked = model, profile, stated, rule, console, given
        alone = check.checked(*asked) if stated.limits() else None
        looked = look(model, profile, stated, given, console) if alone is None else None
        beside = _beside(model, profile, gate, found, rule or TimingRule(), console, given)
    if alone is None:
        assert looked is not None, "a model that no limit is stated for is looked at here"
        alone = _unlimited(model, profile, beside, looked)
    lines = (*alone.verdict.lines, *beside.verdict.lines)
    verdict = Verdict(worst(line.status for line in lines), lines)
    return Checked({**alone.document, "baseline": beside.document()}, verdict, alone.findings)


def _unlimited(model: Path, profile: DeviceProfile, beside: _Beside, looked: Looked) -> Checked:
    """The new model as its sessions measured it, without a line of its own."""
    document = check.document(model, profile.name, beside.new, beside.measured)
    findings = looked.analysis.findings
    return Checked({**document, **looked.document()}, Verdict("PASS", ()), findings)


def _beside(
    model: Path,
    profile: DeviceProfile,
    gate: Gate,
    found: Baseline,
    rule: TimingRule,
    console: Saying,
    given: Given,
) -> _Beside:
    if profile.link == "none":
        return _unreached(model, profile, gate, found)
    target, new = check.described(model, profile.name, console, given)
    if found.path is None:
        console.remark(found.missing)
        verdict = regression.undecided(gate.allowed, found.missing)
        return _Beside(gate, found, verdict, new, _nothing(new))
    own, old = check.described(found.path, profile.name, console, given)
    sides = Sides(found.path, model, profile.name, (old, new), (own, target))
    notes = tuple(f"of the baseline (A) and the new model (B) {one}" for one in sides.differences())
    for note in notes:
        console.remark(f"note: {note}")
    console.step(f"measuring {model.name} beside {found.row.name} of {found.run} on {profile.name}")
    seats = {BASELINE: Seat(own, old.artifact), NEW: Seat(target, new.artifact)}
    try:
        held = regression.hold(seats, gate.allowed, rule, console.progress)
    except DeviceUnreachable as error:
        kept = "nothing is kept, since a session counts only as a whole"
        raise DeviceUnreachable(f"{error}; {kept}") from error
    return _Beside(gate, found, held.verdict, new, held.measured[NEW], held, notes)


def _unreached(model: Path, profile: DeviceProfile, gate: Gate, found: Baseline) -> _Beside:
    """On a device without a link: sizes are compared, and nothing else can be."""
    new = unloaded(model)
    described = Description(new, (), "unavailable: the device is not reached")
    if found.path is None:
        verdict = regression.undecided(gate.allowed, found.missing)
        return _Beside(gate, found, verdict, described, _nothing(described))
    held = regression.unmeasured({BASELINE: unloaded(found.path), NEW: new}, gate.allowed)
    return _Beside(gate, found, held.verdict, described, held.measured[NEW], held)


def _nothing(new: Description) -> Measurement:
    return Measurement(new.artifact.sha256, new.artifact.runtime, (), (), "modelled")
