"""An output's operations as calls: from the tensor's values to what the app asks for."""

from pipeline.package.api.language import Language, flag
from pipeline.package.api.ports import Output, decoded, values_of
from pipeline.package.api.words import output_told
from pipeline.package.interface import Interface, OutputPort
from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Postprocess, Softmax, TopK


def leaving(interface: Interface, index: int, language: Language) -> Output:
    """An output for the templates.

    Raises ConversionError for a tensor that no generated API can carry.
    """
    port = interface.outputs[index]
    last = port.postprocess[-1] if port.postprocess else None
    boxes = last if isinstance(last, DecodeBoxes) else None
    return Output(
        field=port.field,
        told=output_told(port),
        result=None if index in used_up(interface) else _result(port, language),
        values=language.array(values_of(port)),
        raw=language.array(port.dtype),
        dtype=port.dtype,
        name=port.name,
        shape=port.shape,
        constants={f"{port.field}Rules": _rules(port, boxes, language)} if boxes else {},
        decode=decoded(port, language),
        finish=_finished(port, interface, language),
        labels=None if last is None or isinstance(last, Softmax) else last.labels,
        anchors=tuple(number for box in boxes.anchors for number in box) if boxes else None,
    )


def used_up(interface: Interface) -> set[int]:
    """The outputs that are the scores of another one's boxes."""
    return {
        one.scores
        for port in interface.outputs
        for one in port.postprocess
        if isinstance(one, DecodeBoxes) and one.scores is not None
    }


def _result(port: OutputPort, language: Language) -> str:
    match port.postprocess[-1:]:
        case (TopK(),):
            return language.list_of("Classification")
        case (ArgmaxMask(),):
            return "Mask"
        case (DecodeBoxes(),):
            return language.list_of("Detection")
    return language.array(values_of(port) if not port.postprocess else "float32")


def _finished(port: OutputPort, interface: Interface, language: Language) -> str:
    if not port.postprocess:
        return f"values.{port.field}"
    call = _real(port, language)
    for one in port.postprocess:
        call = _step(call, one, port, interface, language)
    return f"{call}.values" if isinstance(port.postprocess[-1], Softmax) else call


def _real(port: OutputPort, language: Language) -> str:
    return f"real(values.{port.field}, {language.sizes(port.shape[1:])})"


def _step(
    call: str, one: Postprocess, port: OutputPort, interface: Interface, language: Language
) -> str:
    match one:
        case Softmax():
            return f"{call}.softmax({_axis(one.axis, port)})"
        case TopK():
            return f"{call}.largest({one.k}, {port.field}Labels)"
        case ArgmaxMask():
            return f"{call}.mask({_axis(one.axis, port)}, {port.field}Labels)"
        case DecodeBoxes():
            scores = "" if one.scores is None else _scores(one.scores, interface, language)
            return f"detections({call}, {scores}{', ' if scores else ''}{port.field}Rules)"


def _scores(index: int, interface: Interface, language: Language) -> str:
    """The scores of another output's boxes: as they are, or by the softmax that they declare."""
    port = interface.outputs[index]
    call = _real(port, language)
    for one in port.postprocess:
        if isinstance(one, Softmax):
            call = _step(call, one, port, interface, language)
    return call


def _axis(axis: int, port: OutputPort) -> int:
    return axis if axis >= 0 else max(len(port.shape) - 2, 0)


def _rules(port: OutputPort, one: DecodeBoxes, language: Language) -> str:
    near, far = (language.float32(number) for number in one.variance)
    background = -1 if one.background is None else one.background
    thresholds = (one.score_threshold, one.iou_threshold)
    least, most = (language.float32(number) for number in thresholds)
    return (
        f"BoxRules({flag(one.transposed)}, {language.text(one.form)}, {port.field}Anchors, "
        f"{near}, {far}, {flag(one.activation == 'sigmoid')}, {background}, {least}, {most}, "
        f"{flag(one.per_class)}, {one.most}, {port.field}Labels)"
    )
