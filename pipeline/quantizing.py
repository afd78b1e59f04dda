"""From a quantize step to a plan: the stages between a shaped candidate and its int8 artifacts.

Each leaves a candidate with its plan beside it (`quant_plan.json`), which exporting takes as it is.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from pipeline import candidate as candidates
from pipeline import excluding
from pipeline.candidate import Candidate
from pipeline.desk import Desk
from pipeline.disk import atomic_write, make_folder
from pipeline.ladder import Method
from pipeline.nearest import advice
from pipeline.prune import masks_of
from pipeline.quantize import QuantPlan
from pipeline.quantize.bias import correct_bias
from pipeline.quantize.decide import decide
from pipeline.quantize.equalize import equalize
from pipeline.quantize.exclusion import named, names
from pipeline.quantize.keeping import keeping
from pipeline.quantize.layout import layout
from pipeline.quantize.lint import Finding, lint
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from pipeline.quantize.quantizing import planned, refuse_quantized
from pipeline.quantize.rounding import round_weights
from pipeline.quantize.simulate import freeze, learnt, simulate
from pipeline.recipe import Quantize, Recover
from pipeline.recover import Settling, recover
from pipeline.recovering import HISTORY, history_of

PLAN = "quant_plan.json"
TRAINED = "qat.json"
MIDWAY = 0.5
"""The share of the training after which ranges and batch statistics stand still (as Krishnamoorthi
2018, section 3.2.2 has it for the statistics)."""
HELD = 512
"""Calibration samples whose activations are held at once, where a method needs that."""
CARRIED = (HISTORY, TRAINED, "facts.json")
"""What a step before tells of itself, for the report."""

Inputs = tuple[torch.Tensor, ...]


def plan(desk: Desk, parent: Path, method: Method, keeps: tuple[str, ...] = ()) -> Path:
    """The candidate with a plan made by a method; these nodes of its graph stay float.

    Raises:
        TaskError: calibration data that can't be used, or nothing that could be int8.
    """

    def work(folder: Path) -> None:
        desk.console.progress(f"quantizing: {method.told}", 0.0)
        before = candidates.load(parent, desk.dense)
        after, made = _planned(desk, before, method, keeps)
        _leave(parent, after, made, folder)

    inputs = {
        "parent": parent.name,
        "method": [method.range, method.equalized, method.rounded],
        "keeps": list(keeps),
        "threads": torch.get_num_threads(),
    }
    return desk.workspace.step("plan-int8", inputs, work)


def place(desk: Desk, parent: Path, made: QuantPlan) -> Path:
    """The candidate with a plan that was made before beside it, its weights as they are; a step."""

    def work(folder: Path) -> None:
        _leave(parent, candidates.load(parent, desk.dense), made, folder)

    inputs = {"parent": parent.name, "plan": made.model_dump(mode="json")}
    return desk.workspace.step("placed-plan", inputs, work)


def _planned(
    desk: Desk, before: Candidate, method: Method, keeps: tuple[str, ...]
) -> tuple[Candidate, QuantPlan]:
    graph, tell = before.graph, desk.console.progress
    refuse_quantized(graph)
    few = held(desk, HELD) if method.equalized else []
    if method.equalized:
        graph = equalize(graph, few).graph
    made = planned(graph, calibration(desk), method.range, keeps)
    if not method.equalized:
        return before, made
    if method.rounded:
        rounded = round_weights(graph, made, few, tell=tell)
        graph, made = rounded.graph, rounded.plan
    graph = correct_bias(graph, made, few, tell).graph
    return before.with_folded(graph, f"quantization: {method.told}"), made


def calibration(desk: Desk) -> Iterator[Inputs]:
    """The calibration split's inputs, one batch after the other."""
    yield from (inputs for inputs, _ in desk.task.batches("calibration"))


def held(desk: Desk, most: int) -> list[Inputs]:
    """The first samples of the calibration split, in its batches."""
    found: list[Inputs] = []
    for inputs in calibration(desk):
        left = most - sum(len(one[0]) for one in found)
        if left <= 0:
            break
        found.append(tuple(tensor[:left] for tensor in inputs))
    return found


def excluded(desk: Desk, parent: Path, settings: Quantize) -> tuple[str, ...]:
    """The operators that the recipe wants in float, and what has to stay float beside them; a step.

    Raises RecipeError for a pattern that matches nothing in the dense model, at its line and with
    the nearest names. Where pruning took away what it meant, nothing is left to be excluded.
    """
    if not settings.exclude:
        return ()

    def work(folder: Path) -> None:
        check_excluded(desk, settings)
        found = excluding.kept(candidates.load(parent, desk.dense).graph, settings.exclude)
        atomic_write(folder / "excluded.json", json.dumps(found) + "\n")

    inputs = {"parent": parent.name, "patterns": list(settings.exclude)}
    folder = desk.workspace.step("exclude", inputs, work)
    return tuple(json.loads((folder / "excluded.json").read_text()))


def check_excluded(desk: Desk, settings: Quantize) -> None:
    """Raises RecipeError as `excluded` does."""
    parts = layout(desk.dense)
    for index, pattern in enumerate(settings.exclude):
        if not named(parts, pattern):
            step = [one.quantize for one in desk.loaded.recipe.steps].index(desk.quantize)
            told = f"found '{pattern}', which matches no operator; {advice(pattern, names(parts))}"
            raise desk.loaded.error(("steps", step, "quantize", "exclude", index), told)


@dataclass(frozen=True)
class _Calibration:
    """The calibration split's inputs, as often as they are asked for."""

    desk: Desk

    def __iter__(self) -> Iterator[Inputs]:
        return calibration(self.desk)


def doubts(desk: Desk, parent: Path, keeps: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """What is doubtful about the calibration data for a float candidate, of which these nodes stay
    float; told once, and a step."""

    def work(folder: Path) -> None:
        desk.console.progress("looking at the calibration data", 0.0)
        graph = candidates.load(parent, desk.dense).graph
        observed = observe(graph, calibration(desk), frozenset(keeps))
        made = decide(observed, Settings(scheme="int8", mode="ptq"))
        found = [asdict(one) for one in lint(graph, observed, made, _Calibration(desk))]
        atomic_write(folder / "doubts.json", json.dumps(found, indent=1) + "\n")

    inputs = {"parent": parent.name, "keeps": list(keeps)}
    folder = desk.workspace.step("lint", inputs, work)
    found = tuple(Finding(**one) for one in json.loads((folder / "doubts.json").read_text()))
    for one in found:
        desk.console.remark(f"calibration: {one.message}")
    return found


def keep(desk: Desk, parent: Path, nodes: tuple[str, ...], *, float_outlets: bool = False) -> Path:
    """The candidate with these nodes left float too, and all that has to stay float with them, or
    what operators with weights leave to float ones alone; itself where there is nothing to keep."""
    if not nodes and not float_outlets:
        return parent

    def work(folder: Path) -> None:
        before = candidates.load(parent, desk.dense)
        plan = QuantPlan.load(parent / PLAN)
        kept = keeping(before.graph, plan, nodes, float_outlets=float_outlets)
        _leave(parent, before, kept, folder)

    inputs = {"parent": parent.name, "nodes": list(nodes), "outlets": float_outlets}
    return desk.workspace.step("keep-float", inputs, work)


def train(desk: Desk, parent: Path, settings: Recover) -> Path:
    """The candidate in a folder, which holds its plan, trained with that plan's rounding in it.

    The new folder's plan has the scales that were learnt, and `qat.json` tells of the training as
    history.json does of recovery.

    Raises:
        TaskError: see `recover`.
        ArtifactError: a checkpoint that can't be read.
    """

    def work(folder: Path, begun: Path) -> None:
        _train_into(desk, parent, settings, folder, begun)

    inputs = {
        "parent": parent.name,
        "settings": settings.model_dump(mode="json"),
        "threads": torch.get_num_threads(),
    }
    return desk.workspace.long_step("qat", inputs, work)


def _train_into(desk: Desk, parent: Path, settings: Recover, folder: Path, begun: Path) -> None:
    before = candidates.load(parent, desk.dense)
    plan = QuantPlan.load(parent / PLAN)
    make_folder(begun)
    done = recover(
        simulate(before.graph, plan),
        desk.dense,
        desk.task,
        settings,
        desk.console.progress,
        masks_of(before.plans[-1].weights) if before.plans else None,
        checkpoints=begun,
        settling=Settling(MIDWAY, freeze),
    )
    if done.resumed_after is not None:
        desk.console.remark(f"went on after epoch {done.resumed_after}, where it was cut off")
    graph, trained = learnt(done.graph, before.graph, plan)
    after = before.with_graph(graph, f"quantization-aware training: {settings.told}")
    _leave(parent, after, trained, folder)
    atomic_write(folder / TRAINED, history_of(done))


def _leave(parent: Path, after: Candidate, plan: QuantPlan, folder: Path) -> None:
    after.save(folder)
    plan.save(folder / PLAN)
    for name in CARRIED:
        if (parent / name).exists():
            shutil.copyfile(parent / name, folder / name)
