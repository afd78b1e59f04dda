"""Takes out of an ONNX model what the runtime doesn't read."""

import onnx


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes, in place, metadata, doc strings and intermediate shapes; returns the model.

    They hold source paths and stack traces, so that bytes would differ between folders, and are
    a third of a small int8 model.
    """
    del model.metadata_props[:]
    model.ClearField("doc_string")
    graph = model.graph
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("doc_string")
        del part.metadata_props[:]
    drop_unused(graph)
    return model


def drop_unused(graph: onnx.GraphProto) -> None:
    """Removes, in place, constants that no node reads."""
    used = {name for node in graph.node for name in node.input}
    used |= {entry.name for entry in graph.output}
    for entry in [entry for entry in graph.initializer if entry.name not in used]:
        graph.initializer.remove(entry)
