"""The order in which a phone's LiteRT has a model's inputs and outputs.

The interpreter has them in the graph's order; `CompiledModel`, on phones, in that of the file's
first signature. (LiteRT, `LiteRtGetSignatureInputTensorByIndex`.)
"""

from collections.abc import Sequence

from ai_edge_litert import schema_py_generated as schema

from targets.artifact import Artifact
from targets.errors import ConversionError


def positions(artifact: Artifact) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each input and for each output its place among those that the runtime has.

    Raises ConversionError where the signature lacks one.
    """
    if artifact.format != "tflite":
        return tuple(range(len(artifact.inputs))), tuple(range(len(artifact.outputs)))
    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    graph = model.subgraphs[0]
    signature = next(iter(model.signatureDefs or []), None)
    if signature is None:
        return tuple(range(len(graph.inputs))), tuple(range(len(graph.outputs)))
    return (
        _places("input", graph.inputs, signature.inputs),
        _places("output", graph.outputs, signature.outputs),
    )


def _places(
    kind: str, tensors: Sequence[int], maps: Sequence[schema.TensorMapT]
) -> tuple[int, ...]:
    order = [int(one.tensorIndex) for one in maps]
    missing = [index for index, tensor in enumerate(tensors) if int(tensor) not in order]
    if missing:
        raise ConversionError(
            f"the model's signature lacks {kind} {missing[0]}, which LiteRT on a phone can't "
            "reach; convert the model with one signature for all of its inputs and outputs"
        )
    return tuple(order.index(int(tensor)) for tensor in tensors)
