"""From a module to the one language of this project: the exported graph (pre-dispatch ATen)."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import fx

from pipeline.graph.autocast import inline_wrappers
from pipeline.graph.faults import explain, refuse_data_dependence
from pipeline.graph.shapes import double_batch
from targets.errors import TaskError

_Shapes = tuple[dict[int, object], ...]


@dataclass(frozen=True)
class Graph:
    """A traced model in evaluation mode, with the inputs it was traced with (batch as given).

    Where the batch is static, `static_reason` says why.
    """

    module: fx.GraphModule
    inputs: tuple[torch.Tensor, ...]
    dynamic_batch: bool
    static_reason: str | None = None

    def copy(self) -> "Graph":
        """The same graph with parameters of its own."""
        return replace(self, module=copy.deepcopy(self.module))


def trace(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Graph:
    """Export a module with a dynamic batch, or a static one where the model has fixed it.

    `inputs` are tensors with the batch in dimension 0. Parameters are shared with `module`, which
    is put into evaluation mode. Raises TaskError for a model that can't be exported: above all one
    whose forward depends on data; the message names the operator and the line of the user's code.
    """
    module = module.eval()
    try:
        return Graph(_export(module, inputs, dynamic=True), inputs, dynamic_batch=True)
    except TaskError:
        raise
    except Exception as fault:  # whatever the user's forward or the exporter raises
        reason = explain(fault)
        if reason.depends_on_data:
            raise reason.error() from fault
    try:
        exported = _export(module, inputs, dynamic=False)
    except TaskError:
        raise
    except Exception as fault:
        raise explain(fault).error() from fault
    return Graph(exported, inputs, dynamic_batch=False, static_reason=reason.text)


def _export(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], *, dynamic: bool
) -> fx.GraphModule:
    inputs = double_batch(inputs, dynamic)
    shapes = _batch_dimensions(inputs) if dynamic else None
    with _quiet():
        program = torch.export.export(module, inputs, dynamic_shapes=shapes)
    # The guards would be a submodule that exporters and quantizers don't know.
    graph = program.module(check_guards=False)
    assert isinstance(graph, fx.GraphModule)
    refuse_data_dependence(graph)
    return inline_wrappers(graph)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs whole graphs before it raises; the error says it in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _batch_dimensions(inputs: tuple[torch.Tensor, ...]) -> _Shapes:
    """Dimension 0 of every input that shares the first one's size there."""
    batch = inputs[0].shape[0]
    moving = torch.export.Dim.DYNAMIC
    return tuple({0: moving} if t.dim() and t.shape[0] == batch else {} for t in inputs)
