"""Operations on an output: from the model's values to what an app asks for, for one sample.

Arrays have no batch axis and are float32 (decoded, where the model is quantized).
"""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.processing.section import Section
from pipeline.processing.sources import Size

Share = Annotated[float, Field(ge=0, le=1)]
Labels = tuple[str, ...]


class Softmax(Section):
    """exp(x - max) / sum over an axis, the first (0) or the last (-1)."""

    op: Literal["softmax"] = "softmax"
    axis: Literal[0, -1] = -1


class TopK(Section):
    """The k largest of (C,), largest first and of equals the first first: index, score, label."""

    op: Literal["top_k"] = "top_k"
    k: Size = 1
    labels: Labels = ()


class ArgmaxMask(Section):
    """The index of the largest class at each place, the first of equals: (C, H, W) or (H, W, C)
    to (H, W)."""

    op: Literal["argmax_mask"] = "argmax_mask"
    axis: Literal[0, -1] = 0
    labels: Labels = ()


class DecodeBoxes(Section):
    """Boxes (N, 4) and scores (N, C) to detections, by greedy non-maximum suppression.

    In this order: transpose; boxes from `form` (with anchors: Liu et al. 2016, SSD, equation 2:
    centre = anchor + offset * variance[0] * size, size = anchor's * exp(offset * variance[1]));
    sigmoid; scores of at least `score_threshold`, the highest first, of equals the lower index;
    one is dropped where its intersection over union with a kept one (of its class where
    `per_class`) is above `iou_threshold`; at most `most` are kept, in order of score.

    Attributes:
        scores: the index of the output that holds the scores, which come after the softmax that
            it may have; None: they are columns 4 to the end of this one (N, 4 + C).
        transposed: the arrays are (4, N) and (C, N), or (4 + C, N).
        form: what the four numbers are: edges or centre and size, x first or y first.
        anchors: (centre x, centre y, width, height) for each of the N boxes, in the boxes' units;
            the form is then cxcywh.
        background: the class that is no object.
    """

    op: Literal["decode_boxes"] = "decode_boxes"
    scores: Annotated[int, Field(ge=0)] | None = None
    transposed: bool = False
    form: Literal["xyxy", "yxyx", "cxcywh"] = "xyxy"
    anchors: tuple[tuple[float, float, float, float], ...] = ()
    variance: tuple[float, float] = (0.1, 0.2)
    activation: Literal["none", "sigmoid"] = "none"
    background: Annotated[int, Field(ge=0)] | None = None
    score_threshold: Share = 0.5
    iou_threshold: Share = 0.5
    per_class: bool = True
    most: Size = 100
    labels: Labels = ()


Postprocess = Annotated[Softmax | TopK | ArgmaxMask | DecodeBoxes, Field(discriminator="op")]
