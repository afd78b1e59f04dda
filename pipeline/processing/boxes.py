"""Boxes of detectors: the arithmetic of `decode_boxes`."""

from dataclasses import dataclass

import numpy as np

from pipeline.processing.after import DecodeBoxes


@dataclass(frozen=True)
class Detections:
    """What was found in one sample, the surest first.

    Attributes:
        boxes: (K, 4) left, top, right, bottom, in the model's units.
        scores: (K,).
        classes: (K,), indices.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def detect(
    values: np.ndarray, scores: np.ndarray | None, one: DecodeBoxes
) -> tuple[Detections, ...]:
    """The detections of each sample.

    Args:
        values: (N, boxes, 4), or (N, boxes, 4 + C) without `scores`; transposed where declared.
        scores: (N, boxes, C), likewise.
        one: how they are meant.
    """
    if one.transposed:
        values = values.swapaxes(1, 2)
        scores = None if scores is None else scores.swapaxes(1, 2)
    if scores is None:
        values, scores = values[..., :4], values[..., 4:]
    return tuple(_detected(*pair, one) for pair in zip(values, scores, strict=True))


def _detected(values: np.ndarray, scores: np.ndarray, one: DecodeBoxes) -> Detections:
    edges = corners(values.astype(np.float32), one)
    sure = activated(scores.astype(np.float32), one)
    places, classes = np.nonzero(sure >= one.score_threshold)
    if one.background is not None:
        object_ = classes != one.background
        places, classes = places[object_], classes[object_]
    chosen = sure[places, classes]
    order = np.argsort(-chosen, kind="stable")
    return _suppressed(edges[places[order]], chosen[order], classes[order], one)


def activated(scores: np.ndarray, one: DecodeBoxes) -> np.ndarray:
    """The scores as probabilities."""
    if one.activation == "none":
        return scores
    small = np.exp(-np.abs(scores))
    shares: np.ndarray = np.where(scores >= 0, np.float32(1), small) / (1 + small)
    return shares


def corners(values: np.ndarray, one: DecodeBoxes) -> np.ndarray:
    """Boxes (N, 4) as left, top, right, bottom."""
    if one.anchors:
        values = _offset(values, np.array(one.anchors, np.float32), one)
    if one.form == "yxyx":
        return values[:, [1, 0, 3, 2]]
    if one.form == "xyxy":
        return values
    centres, halves = values[:, :2], values[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def _offset(values: np.ndarray, anchors: np.ndarray, one: DecodeBoxes) -> np.ndarray:
    """Centres and sizes, of offsets from anchors (Liu et al. 2016, SSD, equation 2)."""
    near, far = (np.float32(number) for number in one.variance)
    centres = anchors[:, :2] + values[:, :2] * near * anchors[:, 2:]
    return np.concatenate([centres, anchors[:, 2:] * np.exp(values[:, 2:] * far)], axis=1)


def _suppressed(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, one: DecodeBoxes
) -> Detections:
    """Greedy non-maximum suppression; the candidates are in order of score."""
    left = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    for index in range(len(boxes)):
        if len(kept) == one.most:
            break
        if not left[index]:
            continue
        kept.append(index)
        rivals = classes == classes[index] if one.per_class else np.ones_like(left)
        left &= ~(rivals & (overlap(boxes[index], boxes) > one.iou_threshold))
    return Detections(boxes[kept], scores[kept], classes[kept])


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of (N, 4); 0 where both are empty."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = _area(box[None]) + _area(boxes) - shared
    shares: np.ndarray = np.divide(shared, union, out=np.zeros_like(union), where=union > 0)
    return shares


def _area(boxes: np.ndarray) -> np.ndarray:
    area: np.ndarray = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    return area
