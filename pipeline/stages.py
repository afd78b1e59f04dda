"""The stages that make files: dense, prune, recover, export. Each a step of the workspace.

A step's folder is named after everything that went into it, so the name of one folder is all that
the next step needs as its key.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline import activations, evaluate, excluding, pruning, quantizing, raw_outputs
from pipeline import candidate as candidates
from pipeline.candidate import Candidate
from pipeline.desk import Desk
from pipeline.exporting import export_graph
from pipeline.graph import Graph
from pipeline.prune import PrunePlan, apply, verify
from pipeline.prune.sensitivity import Sensitivity
from pipeline.quantize import Quantized, QuantPlan
from pipeline.quantize import apply as quantize_by
from pipeline.quantize.layers import layers
from pipeline.quantizing import PLAN
from pipeline.raw_outputs import Arrays
from pipeline.recipe import Prune, Quantize, Recover
from pipeline.recipe_steps import Importance, Repair
from pipeline.recovering import recover_into
from pipeline.workspace import atomic_write
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT
from targets.errors import ConversionError, EdgesmithError

REFERENCE = "reference"
"""What the quantized torch graph gives on the validation split."""
ORACLE_TOLERANCE = 1e-4
"""float32 against the masked original: two orders above rounding over some fifty layers."""


def patterns(desk: Desk) -> None:
    """The recipe's names of groups and of operators, looked up in the traced model before anything
    else is made; a step, so that a finished run traces nothing."""
    task, settings = desk.task.identity(), desk.quantize
    if desk.prune is not None and (desk.prune.keep or desk.prune.bounds):
        asked = desk.prune.model_dump(mode="json", include={"keep", "bounds", "granularity", "to"})
        inputs = {"task": task, "prune": asked}
        desk.workspace.step("patterns", inputs, lambda _: pruning.check_patterns(desk))
    if settings is not None and settings.exclude:
        named = {"task": task, "exclude": list(settings.exclude)}
        desk.workspace.step("patterns", named, lambda _: quantizing.check_excluded(desk, settings))


def dense(desk: Desk) -> Path:
    """The dense model, as a candidate."""

    def work(folder: Path) -> None:
        Candidate(desk.dense).save(folder)

    return desk.workspace.step("dense", {"task": desk.task.identity()}, work)


def computed(
    desk: Desk, name: str, inputs: Mapping[str, object], work: Callable[[Path], None]
) -> Path:
    """A step whose numbers torch sums by thread, so that their last bits depend on the count."""
    return desk.workspace.step(name, {**inputs, "threads": torch.get_num_threads()}, work)


def prune(desk: Desk, parent: Path, settings: Prune, number: int = 1) -> Path:
    """The parent after a round of pruning, checked against the masked original on real inputs,
    then repaired on the calibration split."""
    measured = settings.strategy == "sensitivity"
    table = sensitivity_in(sensitivity(desk, parent, settings.importance)) if measured else None

    def work(folder: Path) -> None:
        before = candidates.load(parent, desk.dense)
        decided = pruning.decide(desk, before, settings, number, table)
        _carve(desk, before, decided, settings.mending, number, folder)

    inputs = {
        "parent": parent.name,
        "settings": settings.model_dump(mode="json"),
        "round": number,
        "quantized": desk.quantize is not None,  # a size in bytes is of int8 weights then
    }
    return computed(desk, "prune", inputs, work)


def carry_out(desk: Desk, parent: Path, decided: PrunePlan, mending: Repair) -> Path:
    """The parent after a plan that was made for it, checked and repaired as `prune` does."""

    def work(folder: Path) -> None:
        _carve(desk, candidates.load(parent, desk.dense), decided, mending, 1, folder)

    plan = decided.model_dump(mode="json", exclude={"settings"})  # whatever it was asked for
    return computed(desk, "prune", {"parent": parent.name, "plan": plan, "repair": mending}, work)


def _carve(
    desk: Desk, before: Candidate, decided: PrunePlan, mending: Repair, number: int, folder: Path
) -> None:
    after = apply(before.graph, decided)
    error = _agree(desk, before.graph, decided, after)  # of the surgery alone, before repair
    mended = pruning.mend(desk, before.graph, decided, after, mending)
    facts = {"round": number, "oracle_error": error, "repair": mended.told}
    before.pruned(decided, mended.graph).save(folder)
    atomic_write(folder / "facts.json", json.dumps(facts) + "\n")


def sensitivity(desk: Desk, parent: Path, importance: Importance) -> Path:
    """The parent's table, a step of its own: every target is decided by the same one."""

    def work(folder: Path) -> None:
        before = candidates.load(parent, desk.dense)
        table = pruning.sensitivity(desk, before, importance)
        atomic_write(folder / "sensitivity.json", table.model_dump_json(indent=1) + "\n")

    return computed(desk, "sensitivity", {"parent": parent.name, "importance": importance}, work)


def sensitivity_in(folder: Path) -> Sensitivity:
    """What `sensitivity` left."""
    return Sensitivity.model_validate_json((folder / "sensitivity.json").read_bytes())


def _agree(desk: Desk, before: Graph, decided: PrunePlan, after: Graph) -> float:
    inputs, _ = next(iter(desk.task.batches("calibration")))
    error = verify(before, decided, after, tuple(one[:8] for one in inputs))
    if not error <= ORACLE_TOLERANCE:
        raise EdgesmithError(
            f"the pruned model differs from the masked original by {error:.2g} "
            f"(allowed {ORACLE_TOLERANCE:g}); nothing was delivered. This is a bug in edgesmith."
        )
    return error


def recover(desk: Desk, parent: Path, settings: Recover) -> Path:
    """The parent after fine-tuning, taught by the dense model."""

    def work(folder: Path, begun: Path) -> None:
        recover_into(desk, parent, settings, folder, begun)

    inputs = {
        "parent": parent.name,
        "settings": settings.model_dump(mode="json"),
        "threads": torch.get_num_threads(),
    }
    return desk.workspace.long_step("recover", inputs, work)


@dataclass(frozen=True)
class Exported:
    """What an export step left: a model file per runtime, and why a runtime has none."""

    folder: Path
    files: Mapping[str, Path]
    failures: Mapping[str, str]

    @property
    def references(self) -> Arrays:
        """The quantized torch graph's outputs on the validation split; none for float32."""
        return raw_outputs.load(self.folder, REFERENCE)


def export(
    desk: Desk, parent: Path, settings: Quantize | None, runtimes: Sequence[str] = ()
) -> Exported:
    """The parent's artifact for each runtime: float32, or quantized once for all by the settings.

    A runtime whose converter can't take the model is among the failures, with the reason. Without
    `runtimes`, for all of the recipe's.
    """

    def refer(quantized: Quantized, folder: Path) -> None:
        outputs = evaluate.outputs_of(quantized.unfolded, desk.task, "validation")
        raw_outputs.save(outputs, folder, REFERENCE)
        inputs, _ = next(iter(desk.task.batches("validation")))
        layers(quantized.unfolded, inputs).save(folder)

    return _exported(desk, "export", parent, settings, runtimes or tuple(desk.targets), refer)


def draft(desk: Desk, parent: Path, settings: Quantize | None, runtimes: Sequence[str]) -> Exported:
    """As `export`, of a model that is only to be measured: without outputs to compare with."""

    def nothing(quantized: Quantized, folder: Path) -> None:
        pass

    return _exported(desk, "draft", parent, settings, runtimes, nothing)


def _exported(
    desk: Desk,
    name: str,
    parent: Path,
    settings: Quantize | None,
    runtimes: Sequence[str],
    refer: Callable[[Quantized, Path], None],
) -> Exported:
    types = {runtime: activations.chosen(desk, runtime, settings) for runtime in runtimes}
    io = settings.io if settings else "float32"
    whole = settings is not None and settings.scheme == "int8"

    def work(folder: Path) -> None:
        graph = candidates.load(parent, desk.dense).graph
        quantized = None
        if settings and whole:
            quantized = _quantized(desk, graph, parent, settings, folder)
        if quantized:
            refer(quantized, folder)
        failures = {}
        for index, runtime in enumerate(runtimes):
            desk.console.progress(f"exporting for {runtime}", index / len(runtimes))
            try:
                path = _file(folder, runtime)
                path.parent.mkdir()
                example = desk.task.example_inputs()
                export_graph(
                    graph, quantized, example, path,
                    runtime=runtime, activations=types[runtime], io=io,
                    weights=settings.scheme if settings and not whole else "fp32",
                )  # fmt: skip
            except ConversionError as error:
                failures[runtime] = str(error)
        atomic_write(folder / "failures.json", json.dumps(failures, indent=2) + "\n")

    inputs = {
        "parent": parent.name,
        "settings": settings.at_once.model_dump(mode="json") if settings else None,
        "activations": types,
    }
    folder = computed(desk, name, inputs, work)
    failures = json.loads((folder / "failures.json").read_text())
    files = {one: _file(folder, one) for one in runtimes if one not in failures}
    return Exported(folder, files, failures)


def _quantized(
    desk: Desk, graph: Graph, parent: Path, settings: Quantize, folder: Path
) -> Quantized:
    """By the plan beside the parent, where there is one; else by what is observed now."""
    desk.console.progress("quantizing", 0.0)
    if (parent / PLAN).exists():
        quantized = quantize_by(graph, QuantPlan.load(parent / PLAN))
    else:
        calibration = (inputs for inputs, _ in desk.task.batches("calibration"))
        quantized = excluding.quantized(graph, calibration, settings)
    quantized.plan.save(folder / PLAN)
    return quantized


def _file(folder: Path, runtime: str) -> Path:
    return folder / runtime / f"model{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"
