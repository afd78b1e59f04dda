"""Whether LiteRT on a phone reaches all of a model's inputs and outputs.

There `CompiledModel` runs the file's first signature. It has that one's inputs and outputs in the
order of the graph, as the interpreter has them (LiteRT 2.3.0; the test measures it).
"""

from collections.abc import Sequence

from ai_edge_litert import schema_py_generated as schema

from targets.artifact import Artifact
from targets.errors import ConversionError


def check_signature(artifact: Artifact) -> None:
    """Raises ConversionError where the first signature of a .tflite lacks an input or output."""
    if artifact.format != "tflite":
        return
    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    graph = model.subgraphs[0]
    signature = next(iter(model.signatureDefs or []), None)
    if signature is not None:
        _check("input", graph.inputs, signature.inputs)
        _check("output", graph.outputs, signature.outputs)


def _check(kind: str, tensors: Sequence[int], maps: Sequence[schema.TensorMapT]) -> None:
    known = {int(one.tensorIndex) for one in maps}
    missing = [index for index, tensor in enumerate(tensors) if int(tensor) not in known]
    if missing:
        raise ConversionError(
            f"the model's signature lacks {kind} {missing[0]}, which LiteRT on a phone can't "
            "reach; convert the model with one signature for all of its inputs and outputs"
        )
