"""Takes out of an ONNX model what the runtime doesn't read."""

from collections.abc import Iterator

import onnx


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes, in place, metadata, doc strings, intermediate shapes and unread constants.

    They hold source paths and stack traces, so that bytes would differ between folders, and are
    a third of a small int8 model. Returns the model.
    """
    del model.metadata_props[:]
    model.ClearField("doc_string")
    for graph in _graphs(model.graph):
        del graph.value_info[:]
        for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
            part.ClearField("doc_string")
            del part.metadata_props[:]
    drop_unused(model.graph)
    return model


def drop_unused(graph: onnx.GraphProto) -> None:
    """Removes, in place, constants that no node reads."""
    used = {name for part in _graphs(graph) for node in part.node for name in node.input}
    used |= {entry.name for part in _graphs(graph) for entry in part.output}
    for entry in [entry for entry in graph.initializer if entry.name not in used]:
        graph.initializer.remove(entry)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its nodes: branches and loop bodies."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)
