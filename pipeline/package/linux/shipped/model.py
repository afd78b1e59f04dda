"""The model with what its task does before and after it, for one sample at a time.

The arithmetic is the very code that the model was scored with (prepare.py, finish.py).

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Postprocess, Softmax, TopK
from pipeline.processing.before import (
    CenterCrop,
    Expand,
    Fit,
    Layout,
    Level,
    LogMel,
    Normalize,
    Preprocess,
    Resize,
    Scale,
)
from pipeline.processing.boxes import Detections
from pipeline.processing.finish import Mask as ClassMap
from pipeline.processing.finish import Ranked, finish
from pipeline.processing.finish import Result as Finished
from pipeline.processing.prepare import prepare
from pipeline.processing.sources import Audio, Image, Source, Values

from .package import Manifest, read_manifest, verify
from .results import Classification, Detection, Mask, named
from .runtimes import infer, load

SOURCES: dict[str, type[Source]] = {"image": Image, "audio": Audio, "values": Values}
BEFORE: dict[str, type[Preprocess]] = {
    "resize": Resize,
    "center_crop": CenterCrop,
    "scale": Scale,
    "normalize": Normalize,
    "layout": Layout,
    "level": Level,
    "fit": Fit,
    "log_mel": LogMel,
    "expand": Expand,
}
AFTER: dict[str, type[Postprocess]] = {
    "softmax": Softmax,
    "top_k": TopK,
    "argmax_mask": ArgmaxMask,
    "decode_boxes": DecodeBoxes,
}
"""The types of what manifest.json states, by its `source` or `op`."""

Answer = np.ndarray | list[Classification] | Mask | list[Detection] | None


class Model:
    """A package's model. Failure where the package is damaged or its runtime is missing."""

    def __init__(self, root: Path) -> None:
        """Loads the model of the package in this folder, whose every file it compares first."""
        self._manifest: Manifest = read_manifest(root)
        verify(root, self._manifest)
        self._run = load(root, self._manifest)
        facts = self._manifest.facts
        self._sources = [_source(one["source"]) for one in facts["inputs"]]
        self._before = [[_before(each) for each in one["preprocess"]] for one in facts["inputs"]]
        self._after = [[_after(each) for each in one["postprocess"]] for one in facts["outputs"]]

    @property
    def fields(self) -> tuple[str, ...]:
        """The outputs' names."""
        return tuple(one.field for one in self._manifest.outputs)

    def run(self, samples: Sequence[np.ndarray]) -> list[Answer]:
        """What an app asks for, for each output; None for one that another output's boxes use up.

        Args:
            samples: for each input what the app has, without a batch.

        Raises ValueError where there are more or fewer than inputs, or one has another shape or
        other numbers than its input takes.
        """
        if len(samples) != len(self._sources):
            raise ValueError(f"found {len(samples)} inputs; takes {len(self._sources)}")
        entered = zip(samples, self._sources, self._before, self._manifest.inputs, strict=True)
        prepared = [
            prepare(_checked(sample, source, tensor.field)[np.newaxis], source, operations)
            for sample, source, operations, tensor in entered
        ]
        values = infer(self._run, self._manifest, prepared)
        results = finish(values, self._after)
        return [_answer(one, self._after[index]) for index, one in enumerate(results)]


def _source(facts: dict[str, Any]) -> Source:
    return SOURCES[facts["source"]](**_frozen(facts))


def _before(facts: dict[str, Any]) -> Preprocess:
    return BEFORE[facts["op"]](**_frozen(facts))


def _after(facts: dict[str, Any]) -> Postprocess:
    return AFTER[facts["op"]](**_frozen(facts))


def _frozen(facts: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, which can be compared and kept."""
    return {name: _tuple(value) for name, value in facts.items()}


def _tuple(value: object) -> object:
    return tuple(_tuple(one) for one in value) if isinstance(value, list) else value


def _checked(sample: np.ndarray, source: Source, field: str) -> np.ndarray:
    wanted = tuple(source.shape)
    fits = len(wanted) == sample.ndim and all(
        size in (-1, found) for size, found in zip(wanted, sample.shape, strict=True)
    )
    if not fits or not np.can_cast(sample.dtype, source.dtype, "same_kind") or not sample.size:
        sizes = ", ".join("any" if size == -1 else str(size) for size in wanted)
        raise ValueError(
            f"{field}: found {sample.dtype} of shape {sample.shape}; takes {source.dtype} of "
            f"shape ({sizes})"
        )
    return np.ascontiguousarray(sample, dtype=source.dtype)


def _answer(result: Finished | None, operations: Sequence[Postprocess]) -> Answer:
    """One sample's result as an app reads it."""
    labels: tuple[str, ...] = getattr(operations[-1], "labels", ()) if operations else ()
    if isinstance(result, Ranked):
        pairs = zip(result.indices[0].tolist(), result.scores[0].tolist(), strict=True)
        return [Classification(index, score, named(labels, index)) for index, score in pairs]
    if isinstance(result, ClassMap):
        return Mask(result.classes[0], labels)
    if isinstance(result, tuple):
        return _detections(result[0], labels)
    return None if result is None else result[0]


def _detections(found: Detections, labels: tuple[str, ...]) -> list[Detection]:
    answers = []
    for box, score, index in zip(found.boxes, found.scores, found.classes, strict=True):
        left, top, right, bottom = (float(edge) for edge in box)
        label = named(labels, int(index))
        answers.append(Detection(left, top, right, bottom, float(score), int(index), label))
    return answers
