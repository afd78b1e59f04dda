"""A report in its folder: report.json, report.html, and the raw samples in samples/."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from pydantic import ValidationError

from pipeline.report.charts import Processes
from pipeline.report.document import Report
from pipeline.report.page import render
from pipeline.workspace import atomic_write
from targets.errors import ArtifactError
from targets.measurement import Measurement
from targets.samples import measurement_from_json

REPORT = "report.json"
PAGE = "report.html"


def samples_path(name: str, runtime: str) -> str:
    """Where a row's raw samples lie, relative to the report's folder."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{name}-{runtime}").strip("-.")
    return f"samples/{plain}.json"


def write(report: Report, samples: Mapping[str, Measurement], folder: Path) -> Path:
    """Writes the samples, the page and then report.json, each whole or not at all.

    Args:
        report: the document.
        samples: the measurements by the `samples_path` of their rows.
        folder: the run's folder.

    Returns:
        The path of report.json.

    Raises:
        ArtifactError: a samples path leads out of the folder.
    """
    for path, measurement in samples.items():
        target = within(folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(target, json.dumps(measurement.to_json(), separators=(",", ":")) + "\n")
    atomic_write(folder / PAGE, render(report, latencies_ms(samples)))
    atomic_write(folder / REPORT, report.model_dump_json(indent=2) + "\n")
    return folder / REPORT


def read(folder: Path) -> Report:
    """The report in a folder.

    Raises:
        ArtifactError: there is none, or it can't be read; names the first key that is wrong.
    """
    path = folder / REPORT
    try:
        return Report.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{path}: {key or 'document'}: {first['msg']}") from error
    except OSError as error:
        raise ArtifactError(f"{path}: no report can be read here: {error.strerror}") from error


def read_samples(report: Report, folder: Path) -> dict[str, Measurement]:
    """The raw samples that lie beside a report, by path; a row without any is left out.

    Raises:
        ArtifactError: a file is there and holds something else.
    """
    named = (row.measurement.samples_path for row in (*report.baseline, *report.candidates))
    paths = {path: within(folder, path) for path in named if path}
    return {path: _measurement(file) for path, file in paths.items() if file.is_file()}


def redraw(folder: Path) -> Path:
    """Writes report.html anew from what lies in the folder, and returns its path.

    Raises:
        ArtifactError: the report or its samples can't be read.
    """
    report = read(folder)
    atomic_write(folder / PAGE, render(report, latencies_ms(read_samples(report, folder))))
    return folder / PAGE


def latencies_ms(samples: Mapping[str, Measurement]) -> dict[str, Processes]:
    """Each measurement's latencies in ms, an array for each process."""
    return {
        path: [np.asarray(one.latency_ns, dtype=np.float64) / 1e6 for one in measurement.processes]
        for path, measurement in samples.items()
    }


def _measurement(file: Path) -> Measurement:
    try:
        return measurement_from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ArtifactError, ValueError, TypeError) as error:
        raise ArtifactError(f"{file}: not raw samples: {error}") from error


def within(folder: Path, path: str) -> Path:
    """A path that the report states; ArtifactError where it leads out of the report's folder."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ArtifactError(f"report.json: '{path}' leads out of the report's folder")
    return folder / parts
