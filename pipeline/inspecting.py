"""`edgesmith inspect`: what really runs in a model file, and how faithful to its run it is."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from pipeline import fidelity, raw_outputs
from pipeline.check import described
from pipeline.console import Console
from pipeline.evaluate import decisions_agree
from pipeline.evidence import OUTPUTS, TRAINED
from pipeline.fidelity import Fidelity
from pipeline.given import NOTHING, Given
from pipeline.inspect_view import Against, Inspection, print_all
from pipeline.leftovers import facts
from pipeline.printing import print_json
from pipeline.quantize.layers import FACTS, Layers
from pipeline.quantize.plan import QuantPlan
from pipeline.quantizing import PLAN
from pipeline.stages import REFERENCE
from pipeline.workspace import RUN_FILE, SEAL
from targets.artifact import Artifact, digest, files_of
from targets.errors import ArtifactError, UsageError
from targets.target import Target

NOT_FAITHFUL = 3


def inspect(
    model: Path, device: str, run: Path | None, as_json: bool, given: Given = NOTHING
) -> int:
    """Prints what a model file executes; with a run, its agreement with the run's torch graph.

    Returns 3 where it agrees with that graph less than a delivered artifact has to, else 0.

    Raises:
        ArtifactError: the file is no model that its runtime can load, or the run is none.
        UsageError: the file is none of the run's, or it is not quantized.
    """
    home = _home(model, run) if run else None
    with Console() as console:
        target, description = described(model, device, console, given)
        plan = QuantPlan.load(home.step / PLAN) if home else None
        against = _against(home, target, description.artifact, console) if home else None
    found = Inspection(model, device, description, facts(description.execution, plan), against)
    if as_json:
        print_json(found.document())
    else:
        print_all(found)
    return 0 if against is None or against.faithful else NOT_FAITHFUL


@dataclass(frozen=True)
class Home:
    """Where a run made a file: the run's folder, and that of the step."""

    run: Path
    step: Path


def _home(model: Path, run: Path) -> Home:
    """The step of the run that made this file."""
    if not (run / RUN_FILE).is_file():
        raise ArtifactError(f"{run}: no run; give a folder that `edgesmith run` made")
    sha256, _ = digest(files_of(model))
    files = sorted(run.glob(f"steps/*/*/model{model.suffix}"))
    for file in files:
        step = file.parent.parent
        if digest(files_of(file))[0] == sha256 and (step / SEAL).is_file():
            return _quantized(Home(run, step), model)
    made = ", ".join(str(file) for file in files) or "none"
    raise UsageError(f"{model}: not a file of the run {run}; its {model.suffix} files: {made}")


def _quantized(home: Home, model: Path) -> Home:
    if not (home.step / PLAN).is_file() or not (home.step / FACTS).is_file():
        raise UsageError(
            f"{model}: {home.run} has no quantized torch graph's values to hold it against; only "
            "int8 artifacts of finished exports have them"
        )
    return home


def _against(home: Home, target: Target, artifact: Artifact, console: Console) -> Against:
    console.step(f"comparing with the quantized torch graph of {home.run}")
    agrees, sqnr_db = _outputs(home, artifact)
    kept = _kept(home)
    seen = target.layers(artifact, kept.samples)
    found = fidelity.compare(kept.layers, seen.layers)
    names = {one.tensor for one in found}
    return Against(
        run=str(home.run),
        agreement=agrees,
        sqnr_db=sqnr_db,
        samples=len(kept.samples[0]),
        layers=worst_first(found),
        unseen=tuple(one.tensor for one in kept.layers if one.tensor not in names),
        as_executed=seen.same_outputs,
        faithful=TRAINED.met(agrees, math.inf if sqnr_db is None else sqnr_db),
    )


def _kept(home: Home) -> Layers:
    try:
        return Layers.load(home.step)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{home.step / FACTS}: can't be read: {error}") from error


def worst_first(found: tuple[Fidelity, ...]) -> tuple[Fidelity, ...]:
    """By faithfulness, the least first; equals in the order of execution."""
    return tuple(sorted(found, key=lambda one: one.sqnr_db))


def _outputs(home: Home, artifact: Artifact) -> tuple[float | None, float | None]:
    """Agreement and SQNR on the validation split, where the run scored the file."""
    for seal in sorted(home.run.glob(f"steps/score-{artifact.runtime}-*/{SEAL}")):
        try:
            sealed = json.loads(seal.read_text(encoding="utf-8"))
            if sealed["inputs"]["artifact"] == artifact.sha256:
                return _compared(home.step, seal.parent)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{seal.parent}: can't be read: {error}") from error
    return None, None


def _compared(step: Path, score: Path) -> tuple[float | None, float]:
    """Agreement, where the scores are of classes, and the worst output's SQNR."""
    outputs, references = raw_outputs.load(score, OUTPUTS), raw_outputs.load(step, REFERENCE)
    if not references:
        raise ValueError(f"{step} has no outputs of the quantized torch graph")
    scores = json.loads((score / "scores.json").read_text(encoding="utf-8"))
    sqnr_db, _ = fidelity.worst_sqnr_db(references, outputs)
    return decisions_agree(outputs[0], references[0], scores["per_class_of"]), sqnr_db
