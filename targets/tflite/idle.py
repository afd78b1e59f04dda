"""Removes the tensors of a .tflite that nothing makes and nothing reads.

A runtime gives them no memory, and tools that look at every tensor stumble over them.
"""

from ai_edge_litert import schema_py_generated as schema


def remove_idle_tensors(model: schema.ModelT) -> None:
    """Takes them out of the first subgraph, whose other tensors get new indices."""
    graph = model.subgraphs[0]
    used = {int(one) for each in graph.operators for one in (*each.inputs, *each.outputs)}
    used |= {int(one) for one in (*graph.inputs, *graph.outputs)}
    kept = [index for index in range(len(graph.tensors)) if index in used]
    new = {old: index for index, old in enumerate(kept)}
    graph.tensors = [graph.tensors[old] for old in kept]
    for one in graph.operators:
        one.inputs, one.outputs = _renamed(one.inputs, new), _renamed(one.outputs, new)
    graph.inputs, graph.outputs = _renamed(graph.inputs, new), _renamed(graph.outputs, new)
    for signature in model.signatureDefs or []:
        for port in (*(signature.inputs or []), *(signature.outputs or [])):
            port.tensorIndex = new[int(port.tensorIndex)]


def _renamed(indices: list[int], new: dict[int, int]) -> list[int]:
    """By their new indices; a negative one is an input that is left out."""
    return [new.get(int(one), int(one)) for one in indices]
