"""What leaves a run: the selected artifacts, their packages and the report, in the run folder."""

import shutil
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline import contract, packing, replay_keeping, replay_record
from pipeline.assemble import Samples, assemble
from pipeline.desk import Desk
from pipeline.package.golden import Golden
from pipeline.package.interface import described
from pipeline.package.linux.build import build
from pipeline.report import storage
from pipeline.report.document import ArtifactFacts, Packaged, Report, Row
from pipeline.results import Results
from targets.artifact import Artifact, files_of

Tensors = tuple[Tensor, ...]
GOLDEN_SAMPLES = 8


def deliver(desk: Desk, results: Results) -> Report:
    """Writes artifacts/, contracts/, packages/, samples/, report.json and report.html; returns the
    report."""
    report, samples = assemble(desk, results)
    rows = tuple(_placed(desk, row) if row.selected else row for row in report.candidates)
    report = report.model_copy(update={"candidates": rows})
    for row in report.selected().values():
        _contract(desk, results, row)
    packages = {one: _packaged(desk, report, row) for one, row in report.selected().items()}
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


def _contract(desk: Desk, results: Results, row: Row) -> None:
    """Keeps what packages need besides the artifact where they look for it."""
    made = results.selected[row.runtime].made
    artifact = made.seen[row.runtime].artifact

    def work(folder: Path) -> None:
        desk.console.progress(f"golden vectors for {row.runtime}", 0.0)
        interface = described(desk.loaded.name, artifact, desk.task.declared)
        contract.keep(folder, interface, _golden(desk, artifact))

    inputs = {"artifact": artifact.sha256, "task": desk.task.identity(), "name": desk.loaded.name}
    kept = desk.workspace.step(f"contract-{row.runtime}", inputs, work)
    place = desk.workspace.folder / contract.FOLDER / row.runtime
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for file in (kept / contract.INTERFACE, *sorted(kept.glob("*.npy"))):
        shutil.copyfile(file, place / file.name)
    record = place / replay_record.FOLDER
    replay_keeping.keep(record, made.folder, made.exported.folder, row.runtime, artifact.sha256)


def _packaged(desk: Desk, report: Report, row: Row) -> Packaged:
    """The package for Linux, in packages/."""
    desk.console.progress(f"packaging for {row.runtime}", 0.0)
    folder = desk.workspace.folder
    archives = build(packing.delivery(folder, report, row), None)
    archive, *_ = packing.write(archives, folder / packing.PACKAGES)
    path = archive.path.relative_to(folder).as_posix()
    return Packaged(path=path, sha256=archive.sha256, size_bytes=archive.size_bytes)


def _golden(desk: Desk, artifact: Artifact) -> Golden:
    sources, inputs = first_samples(desk.task.sources("validation"), GOLDEN_SAMPLES)
    outputs = tuple(desk.targets[artifact.runtime].infer(artifact, inputs))
    declared = any(desk.task.declared.inputs)
    return Golden(inputs, outputs, sources=sources if declared else ())


def first_samples(
    pairs: Iterable[tuple[Tensors, Tensors]], count: int
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The first samples, as far as they are of the first one's size, since an array holds one.

    Args:
        pairs: sources and inputs, samples on dimension 0.
        count: how many, at most; as many batches are looked at.
    """
    chosen: list[tuple[Tensors, Tensors]] = []
    for pair in islice(pairs, count):
        if not chosen or _sizes(pair[0]) == _sizes(chosen[0][0]):
            chosen.append(pair)
        if sum(len(inputs[0]) for _, inputs in chosen) >= count:
            break
    return _stacked([one for one, _ in chosen], count), _stacked([one for _, one in chosen], count)


def _sizes(tensors: Tensors) -> list[tuple[int, ...]]:
    return [tuple(one.shape[1:]) for one in tensors]


def _stacked(batches: list[Tensors], count: int) -> tuple[np.ndarray, ...]:
    columns = zip(*batches, strict=True)
    return tuple(np.ascontiguousarray(torch.cat(column)[:count].numpy()) for column in columns)
