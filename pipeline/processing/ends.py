"""Which operations an output can take, by its shape."""

from collections.abc import Sequence

from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Postprocess, Softmax, TopK
from pipeline.processing.flow import Misfit

LAST = (TopK, ArgmaxMask, DecodeBoxes)
Shape = tuple[int, ...]


def check(chains: Sequence[Sequence[Postprocess]], index: int, shapes: Sequence[Shape]) -> None:
    """Raises Misfit for the first operation of one output that can't take what it would be given.

    Args:
        chains: of each output its operations, in order.
        index: the output's.
        shapes: of all outputs, without the batch.
    """
    operations = chains[index]
    for number, one in enumerate(operations):
        if isinstance(one, LAST) and number + 1 < len(operations):
            raise Misfit(number, f"{one.op} is the last operation; found another after it")
        if isinstance(one, DecodeBoxes) and number:
            raise Misfit(
                number,
                "decode_boxes is the first operation; found another before it, which would change "
                "the boxes, too: scores that need a softmax are an output of their own",
            )
        if not isinstance(one, Softmax) and _holds_scores(index, chains):
            raise Misfit(
                number,
                f"{one.op} on the scores of another output's boxes; allowed: softmax or nothing: "
                "decode_boxes itself makes the classes of them",
            )
        if told := _fault(one, index, shapes):
            sizes = ", ".join(map(str, shapes[index]))
            raise Misfit(number, f"{one.op} can't take an output of shape [{sizes}]: {told}")


def _holds_scores(index: int, chains: Sequence[Sequence[Postprocess]]) -> bool:
    """Whether the output is the scores of another one's boxes."""
    return any(
        isinstance(one, DecodeBoxes) and one.scores == index for chain in chains for one in chain
    )


def _fault(one: Postprocess, index: int, shapes: Sequence[Shape]) -> str | None:
    shape = shapes[index]
    match one:
        case Softmax():
            return None if shape else "it takes one axis at least"
        case TopK():
            return _labelled(one.labels, shape[0]) if len(shape) == 1 else "it takes [classes]"
        case ArgmaxMask():
            if len(shape) != 3:
                return "it takes [classes, height, width], or classes last with axis -1"
            return _labelled(one.labels, shape[one.axis])
        case DecodeBoxes():
            return _boxes(one, index, shapes)


def _labelled(labels: Sequence[str], classes: int) -> str | None:
    if labels and len(labels) != classes:
        return f"{len(labels)} labels; allowed: {classes}, one for each class, or none"
    return None


def _boxes(one: DecodeBoxes, index: int, shapes: Sequence[Shape]) -> str | None:
    if one.scores is not None and (one.scores >= len(shapes) or one.scores == index):
        return f"scores: found output {one.scores}; allowed: another one of {len(shapes)}"
    together = [shapes[index], *([] if one.scores is None else [shapes[one.scores]])]
    if any(len(shape) != 2 for shape in together):
        return "it takes [boxes, 4] and [boxes, classes]"
    turned = [shape[::-1] if one.transposed else shape for shape in together]
    (count, columns), classes = turned[0], turned[-1][1] - (4 if one.scores is None else 0)
    if (columns != 4) if one.scores is not None else classes < 1:
        wanted = "4" if one.scores is not None else "4 and one for each class"
        return f"{columns} numbers for each of {count} boxes; allowed: {wanted}"
    if turned[-1][0] != count or len(one.anchors) not in (0, count):
        return f"{count} boxes, {turned[-1][0]} rows of scores, {len(one.anchors)} anchors"
    if one.anchors and one.form != "cxcywh":
        return f"anchors with form {one.form}; allowed: cxcywh, as offsets are of centre and size"
    return _labelled(one.labels, classes)
