"""Rebuilding an artifact from its record: each step by its settings and plan, with the user's task.

The steps are those of a run (pipeline/stages.py, quantizing.py) in a folder of their own; only what
a run decides by measuring is taken from the record. So each step's weights can be compared with
those of the run, and the first that differs is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from pipeline import candidate as candidates
from pipeline import native, quantizing, stages
from pipeline.desk import Desk
from pipeline.exporting import export_graph
from pipeline.prune import PrunePlan
from pipeline.quantize import QuantPlan
from pipeline.quantize import apply as quantize_by
from pipeline.replay_record import (
    MOST_PLAN_BYTES,
    WEIGHTS,
    KeepStep,
    Native,
    PruneStep,
    QuantizeStep,
    Record,
    RecoverStep,
    Step,
    TrainStep,
    Unified,
    bounded,
)
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, digest, files_of
from targets.errors import ArtifactError
from targets.native import NativeSettings, quantize_native


@dataclass(frozen=True)
class Replayed:
    """One step, rebuilt.

    Attributes:
        does: what it is.
        expected: the sha256 of its weights, or at last of the artifact, in the run.
        found: that of what was rebuilt.
    """

    does: str
    expected: str
    found: str

    @property
    def same(self) -> bool:
        """Whether both are the same bytes."""
        return self.expected == self.found


@dataclass(frozen=True)
class Replaying:
    """A record, the folder with its plan files, and the desk at which it is replayed."""

    record: Record
    plans: Path
    desk: Desk

    def steps(self) -> Iterator[Replayed]:
        """Every step, the dense model first and the artifact last, as it is rebuilt.

        Raises:
            ArtifactError: a plan file is missing, damaged, or of another model than the task's.
            TaskError: see the steps.
            ConversionError: the runtime's converter does not take the model.
        """
        folder = stages.dense(self.desk)
        yield Replayed("dense", self.record.dense, _weights(folder))
        for step in self.record.steps:
            self.desk.console.step(f"{step.does}: {_told(step)}")
            folder = self._folder(folder, step)
            yield Replayed(step.does, step.weights, _weights(folder))
        self.desk.console.step(f"export: for {self.record.runtime}")
        artifact = self._artifact(folder)
        yield Replayed("export", self.record.sha256, digest(files_of(artifact))[0])

    def _folder(self, parent: Path, step: Step) -> Path:
        """The step's own folder, its parent being rebuilt."""
        match step:
            case PruneStep():
                plan = PrunePlan.load(self._plan(step.plan))
                return stages.carry_out(self.desk, parent, plan, step.repair)
            case RecoverStep():
                return stages.recover(self.desk, parent, step.settings)
            case QuantizeStep():
                return self._planned(parent, step)
            case KeepStep():
                return quantizing.keep(self.desk, parent, step.nodes)
            case TrainStep():
                return quantizing.train(self.desk, parent, step.settings)
        assert_never(step)

    def _planned(self, parent: Path, step: QuantizeStep) -> Path:
        """By the plan file where the weights were left alone, else as it was made."""
        if step.method.equalized:
            return quantizing.plan(self.desk, parent, step.method, step.keeps)
        return quantizing.place(self.desk, parent, QuantPlan.load(self._plan(step.plan)))

    def _artifact(self, folder: Path) -> Path:
        export = self.record.export
        document = export.model_dump(mode="json")

        def work(into: Path) -> None:
            path = _file(into, self.record.runtime)
            if isinstance(export, Native):
                self._native(folder, path, export)
            else:
                self._unified(folder, path, export)

        inputs = {"parent": folder.name, "export": document, "sha256": self.record.sha256}
        step = self.desk.workspace.step("replay-export", inputs, work)
        return _file(step, self.record.runtime)

    def _unified(self, folder: Path, path: Path, export: Unified) -> None:
        settings = export.settings
        graph = candidates.load(folder, self.desk.dense).graph
        plan = QuantPlan.load(self._plan(export.plan)) if export.plan else None
        whole = settings is not None and settings.scheme == "int8"
        if whole and plan is None:
            raise ArtifactError("replay: the record of an int8 artifact names no plan")
        export_graph(
            graph,
            quantize_by(graph, plan) if whole and plan else None,
            self.desk.task.example_inputs(),
            path,
            runtime=self.record.runtime,
            activations=export.activations,
            io=settings.io if settings else "float32",
            weights=settings.scheme if settings and not whole else "fp32",
        )

    def _native(self, folder: Path, path: Path, export: Native) -> None:
        runtime = self.record.runtime
        exported = stages.export(self.desk, folder, None, (runtime,))
        if (why := exported.failures.get(runtime)) is not None:
            raise ArtifactError(f"replay: no float32 file for {runtime}: {why}")
        settings = NativeSettings(**export.settings.model_dump())
        samples = native.samples(self.desk)
        quantize_native(runtime, exported.files[runtime], samples, path, settings)

    def _plan(self, name: str) -> Path:
        return bounded(self.plans / name, MOST_PLAN_BYTES)


def _file(folder: Path, runtime: str) -> Path:
    return folder / f"model{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"


def _weights(folder: Path) -> str:
    return digest([folder / WEIGHTS])[0]


def _told(step: Step) -> str:
    match step:
        case PruneStep():
            return f"by {step.plan}, repair: {step.repair}"
        case RecoverStep() | TrainStep():
            return step.settings.told
        case QuantizeStep():
            return step.method.told
        case KeepStep():
            return f"{len(step.nodes)} operators in float"
    assert_never(step)
