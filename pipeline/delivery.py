"""What leaves a run: the selected artifacts, their packages and the report, in the run folder."""

import shutil
from pathlib import Path

import numpy as np

from pipeline.assemble import Samples, assemble
from pipeline.desk import Desk
from pipeline.package.archive import slug
from pipeline.package.contents import Delivery, Notes
from pipeline.package.golden import Golden
from pipeline.package.interface import bare
from pipeline.package.linux.build import build
from pipeline.report import storage
from pipeline.report.document import ArtifactFacts, Packaged, Report, Row
from pipeline.results import Results
from pipeline.workspace import atomic_write
from targets.artifact import Artifact, digest, files_of

GOLDEN_SAMPLES = 8


def deliver(desk: Desk, results: Results) -> Report:
    """Writes artifacts/, packages/, samples/, report.json and report.html; returns the report."""
    report, samples = assemble(desk, results)
    rows = tuple(_placed(desk, row) if row.selected else row for row in report.candidates)
    report = report.model_copy(update={"candidates": rows})
    packages = {row.runtime: _packaged(desk, results, row) for row in rows if row.selected}
    report = report.model_copy(update={"package": packages})
    _write(desk, report, samples)
    return report


def _write(desk: Desk, report: Report, samples: Samples) -> None:
    storage.write(report, samples, desk.workspace.folder)


def _placed(desk: Desk, row: Row) -> Row:
    """The row with its files copied out of the steps, to where a person looks for them."""
    source = desk.workspace.folder / row.artifact.path
    target = desk.workspace.folder / "artifacts" / row.runtime / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    for file in files_of(source):
        shutil.copyfile(file, target.parent / file.name)
    path = target.relative_to(desk.workspace.folder).as_posix()
    facts: ArtifactFacts = row.artifact.model_copy(update={"path": path})
    return row.model_copy(update={"artifact": facts})


def _packaged(desk: Desk, results: Results, row: Row) -> Packaged:
    artifact = results.selected[row.runtime].made.seen[row.runtime].artifact

    def work(folder: Path) -> None:
        desk.console.progress(f"packaging for {row.runtime}", 0.0)
        for name, content in build(_delivery(desk, row, artifact), None).items():
            atomic_write(folder / name, content)

    inputs = {"row": row.model_dump(mode="json"), "task": desk.task.identity()}
    folder = desk.workspace.step(f"package-{row.runtime}", inputs, work)
    made = next(folder.glob("*.tar.gz"))
    target = desk.workspace.folder / "packages" / made.name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(made, target)
    sha256, size_bytes = digest([target])
    path = target.relative_to(desk.workspace.folder).as_posix()
    return Packaged(path=path, sha256=sha256, size_bytes=size_bytes)


def _delivery(desk: Desk, row: Row, artifact: Artifact) -> Delivery:
    assert row.verdict is not None, "a candidate is judged before it is packaged"
    name = desk.loaded.name
    return Delivery(
        name=name,
        title=f"{slug(name)}-{row.runtime}",
        artifact=artifact,
        golden=_golden(desk, artifact),
        description=f"{name}: {', '.join(row.lineage)}; made for {row.runtime}.",
        measurement=row.measurement,
        verdict=row.verdict,
        lineage=row.lineage,
        notes=_notes(desk, row),
        interface=bare(name, artifact),
    )


def _notes(desk: Desk, row: Row) -> Notes:
    limits = desk.loaded.recipe.budget.metric
    metric = limits.name if limits else next(iter(row.metrics), "accuracy")
    return Notes(metrics=row.metrics, metric=metric)


def _golden(desk: Desk, artifact: Artifact) -> Golden:
    inputs, _ = next(iter(desk.task.batches("validation")))
    arrays = tuple(np.ascontiguousarray(one[:GOLDEN_SAMPLES].numpy()) for one in inputs)
    return Golden(arrays, tuple(desk.targets[artifact.runtime].infer(artifact, arrays)))
