"""Applying: the only mutator, and it works on a copy."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import fx

from pipeline.graph.attributes import attribute
from pipeline.graph.copying import copied
from pipeline.graph.groups import Survey, survey
from pipeline.graph.labels import Labelled
from pipeline.graph.operators import rule_for
from pipeline.graph.operators.entry import Labels, Rewrite
from pipeline.graph.shapes import double_batch
from pipeline.graph.trace import Graph
from pipeline.prune.choice import Choice
from pipeline.prune.masks import WeightPlan
from pipeline.prune.plans import PrunePlan, check_fits
from pipeline.prune.prediction import check_shapes, renew_metadata
from pipeline.prune.skipping import without_blocks
from targets.errors import ArtifactError


def apply(graph: Graph, plan: PrunePlan) -> Graph:
    """The graph without the blocks, and then without the channels, that the plan removes, and with
    the single weights zero that it lets go; the one given stays as it is.

    Raises ArtifactError for another model's plan. Every node's shape is compared with the one that
    its labels predict; the first that differs is named in an EdgesmithError, and nothing is given.
    """
    graph = without_blocks(graph, plan.blocks)
    found = survey(graph)
    check_fits(plan, found)
    choice = choose(found, plan)
    module = _cut_copy(graph.module, found.labelled, choice)
    _rewrite_constants(module, found.labelled, choice)
    module.graph.lint()
    module.recompile()
    check_shapes(module, double_batch(graph.inputs, graph.dynamic_batch), found.labelled, choice)
    renew_metadata(module, found.labelled, choice)
    _zero_weights(module, plan.weights)
    return Graph(module, graph.inputs, graph.dynamic_batch, graph.static_reason)


def choose(found: Survey, plan: PrunePlan) -> Choice:
    """The plan's removed channels as dead atoms of a survey."""
    members = dict(zip(found.names, found.members, strict=True))
    dead = {members[group.name][index] for group in plan.groups for index in group.removed}
    return Choice(found.solution, dead)


def _rewrite_constants(module: fx.GraphModule, labelled: Labelled, choice: Choice) -> None:
    for node in list(module.graph.nodes):
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        rule = rule_for(node.target) if node.name in labelled.known.labels else None
        if rule is not None and rule.rewrite is not None and node.name not in labelled.declined:
            rule.rewrite(Rewrite(node, labelled.known, choice.alive, module))


def _cut_copy(module: fx.GraphModule, labelled: Labelled, choice: Choice) -> fx.GraphModule:
    """A copy whose stored tensors are the kept part; what goes is never copied."""
    cut: dict[int, object] = {}
    for parameter in labelled.parameters:
        tensor = attribute(module, parameter.names[0])
        assert isinstance(tensor, torch.Tensor)
        kept = select(tensor.detach(), parameter.labels, choice)
        if kept.shape == tensor.shape:
            continue
        if isinstance(tensor, torch.nn.Parameter):
            kept = torch.nn.Parameter(kept, tensor.requires_grad)
        for name in parameter.names:  # names that share memory may be tensors of their own
            cut[id(attribute(module, name))] = kept
    return copied(module, cut)


def select(tensor: torch.Tensor, labels: Labels, choice: Choice) -> torch.Tensor:
    """The kept indices of a tensor, along every dimension."""
    for dimension, label in enumerate(labels):
        size = tensor.shape[dimension]
        if choice.kept(label, size) < size:
            alive = choice.alive(label, size)
            tensor = tensor.index_select(dimension, torch.from_numpy(np.flatnonzero(alive)))
    return tensor


def _zero_weights(module: fx.GraphModule, plans: Sequence[WeightPlan]) -> None:
    """Zero what the plans let go, in place."""
    known = dict(module.named_parameters(remove_duplicate=False))
    for one in plans:
        tensor = known.get(one.name)
        if tensor is None or tuple(tensor.shape) != one.shape:
            found = "it has none" if tensor is None else f"its own is {tuple(tensor.shape)}"
            raise ArtifactError(
                f"the plan belongs to another model: weight {one.name} of {one.shape}: {found}"
            )
        with torch.no_grad():
            tensor.masked_fill_(~torch.from_numpy(one.stays()), 0)
