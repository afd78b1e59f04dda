"""From a module to the one language of this project: the exported graph (pre-dispatch ATen)."""

import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace

import torch
from torch import fx
from torch.utils._pytree import tree_leaves

from pipeline.graph.autocast import inline_wrappers
from pipeline.graph.canonical import canonicalise
from pipeline.graph.copying import copied
from pipeline.graph.faults import explain, refuse_data_dependence
from pipeline.graph.memo import Memo
from pipeline.graph.shapes import double_batch
from targets.errors import TaskError

_ALONE = "the model computes something else for its example inputs than for a larger batch"


@dataclass(frozen=True)
class Graph:
    """A traced model in evaluation mode, with the inputs it was traced with (batch as given).

    Where the batch is static, `static_reason` says why. `memo` holds the survey of its channels.
    """

    module: fx.GraphModule
    inputs: tuple[torch.Tensor, ...]
    dynamic_batch: bool
    static_reason: str | None = None
    memo: Memo[object] = field(default_factory=Memo, init=False, repr=False, compare=False)

    def copy(self) -> "Graph":
        """The same graph with parameters of its own."""
        return replace(self, module=copied(self.module))

    def taking(self, inputs: tuple[torch.Tensor, ...]) -> "Graph":
        """The same graph with other inputs of its own; what is found out of either both know."""
        other = replace(self, inputs=inputs)
        object.__setattr__(other, "memo", self.memo)
        return other


def trace(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Graph:
    """Export a module with a dynamic batch, or a static one where the model has fixed it.

    `inputs` are tensors with the batch in dimension 0. Parameters are shared with `module`, which
    is put into evaluation mode. Raises TaskError for a model that can't be exported: above all one
    whose forward depends on data; the message names the operator and the line of the user's code.
    """
    module = module.eval()
    try:
        exported = _export(module, inputs, dynamic=True)
        static_reason = None if _agree(module, exported, inputs) else _ALONE
    except TaskError:
        raise
    except Exception as fault:  # whatever the user's forward or the exporter raises
        reason = explain(fault)
        if reason.depends_on_data:
            raise reason.error() from fault
        static_reason = reason.summary()
    if static_reason is None:
        return Graph(exported, inputs, dynamic_batch=True)
    return Graph(_export_static(module, inputs), inputs, False, static_reason)


def _export_static(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> fx.GraphModule:
    try:
        return _export(module, inputs, dynamic=False)
    except TaskError:
        raise
    except Exception as fault:
        raise explain(fault).error() from fault


def _agree(
    module: torch.nn.Module, exported: fx.GraphModule, inputs: tuple[torch.Tensor, ...]
) -> bool:
    """Whether a graph traced with another batch computes what the module does for these inputs."""
    with torch.no_grad():
        expected = tree_leaves(module(*[tensor.clone() for tensor in inputs]))
        found = tree_leaves(exported(*[tensor.clone() for tensor in inputs]))
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)
        for a, b in zip(expected, found, strict=True)
        if isinstance(a, torch.Tensor)
    )


def _export(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], *, dynamic: bool
) -> fx.GraphModule:
    inputs = double_batch(inputs, dynamic)
    shapes = _batch_dimensions(module, inputs) if dynamic else None
    with _quiet():
        program = torch.export.export(module, inputs, dynamic_shapes=shapes)
    # The guards would be a submodule that exporters and quantizers don't know.
    graph = program.module(check_guards=False)
    assert isinstance(graph, fx.GraphModule)
    refuse_data_dependence(graph)
    return canonicalise(inline_wrappers(graph))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs and prints whole graphs before it raises; the error says it in one line.
    And it warns of its own recurrent layers, which hold their weights in a list too."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.filterwarnings(
                "ignore", r"The tensor attributes? .*_flat_weights", UserWarning
            )
            yield
    finally:
        logging.disable(before)


def _batch_dimensions(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[object, ...]:
    """Dimension 0 of every input that shares the first one's size there, in the structure of the
    forward's signature: those that `*inputs` takes are one tuple."""
    batch = inputs[0].shape[0]
    moving = torch.export.Dim.DYNAMIC
    shapes = [{0: moving} if t.dim() and t.shape[0] == batch else {} for t in inputs]
    kinds = [found.kind for found in inspect.signature(module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        named = kinds.index(inspect.Parameter.VAR_POSITIONAL)
        return (*shapes[:named], tuple(shapes[named:]))
    return tuple(shapes)
