"""A graph as a runtime's file: the one way to it, for what is delivered and what is only probed;
and what the runtime then says of the file."""

from importlib import import_module
from pathlib import Path

import torch

from pipeline.graph import Graph
from pipeline.graph.faults import places
from pipeline.quantize import Quantized
from targets.conversion import Io, Precision
from targets.device import Activations
from targets.errors import ArtifactError, ConversionError
from targets.target import Description, Target

MOST_LINES = 3
"""Of the model's code, that a converter's refusal is told with."""


def export_graph(
    graph: Graph,
    quantized: Quantized | None,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    runtime: str,
    activations: Activations,
    io: Io = "int8",
    weights: Precision = "fp32",
) -> Path:
    """Writes a graph for a runtime: quantized where it was, else in float32; returns path.

    Args:
        graph: the float graph.
        quantized: what it was quantized to; None for float32.
        inputs: a batch of 1.
        path: of the file, with the suffix of the runtime's format.
        runtime: its name.
        activations: the 8-bit type that the runtime wants a quantized model's activations in.
        io: the type of a quantized file's inputs and outputs, where the format has a choice.
        weights: of a graph that was not quantized: what its weights alone are stored in.

    Raises ConversionError for what the runtime's converter refuses; it names the line of the
    model's code where the converter names an operator of the graph.
    """
    exporter = import_module(f"targets.{runtime}.export")
    written: Path
    try:
        if quantized is None:
            written = exporter.export(graph.module, inputs, path, precision=weights)
        else:
            module = quantized.folded if exporter.FOLDED else quantized.unfolded
            written = exporter.export(
                module, inputs, path, precision="int8", activations=activations, io=io
            )
    except ConversionError as error:
        raise _with_lines(error, graph, inputs) from error
    return written


def described(target: Target, path: Path) -> Description:
    """What the runtime says of a file that was written here.

    Raises ConversionError where it can't take the file: nobody gave it to us broken, so that the
    other runtimes' files are none the worse.
    """
    try:
        return target.describe(path)
    except ArtifactError as error:
        told = f"{target.runtime} can't load what was exported for it: {error}"
        raise ConversionError(told) from error


def _with_lines(
    error: ConversionError, graph: Graph, inputs: tuple[torch.Tensor, ...]
) -> ConversionError:
    """The error with the lines of the model's code that its operator comes from: as it was traced,
    or among what it is decomposed into, as converters do."""
    if not error.operator:
        return error
    lines = places(graph.module, error.operator)
    if not lines:
        whole = torch.export.export(graph.module, inputs).run_decompositions()
        lines = places(whole.graph_module, error.operator)
    if not lines:
        return error
    more = f" and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
    told = f"{error} (from {', '.join(lines[:MOST_LINES])}{more})"
    return ConversionError(told, error.operator)
