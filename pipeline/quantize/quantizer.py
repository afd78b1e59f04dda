"""Writes the rules on a graph, as annotations that PT2E's prepare reads."""

from collections.abc import Callable, Container, Mapping

import torch
from torch._ops import OpOverload
from torch.fx import GraphModule, Node

from pipeline.quantize import norms, rules
from pipeline.quantize.floats import (
    ANNOTATION,
    DECLINED,
    KEPT,
    is_among_floats,
    is_element,
    is_float,
    is_given_in_float,
    leads_to_floats,
    operand_of,
    operands,
    readers,
    takes_integers,
)
from pipeline.quantize.plan import LEAST_SCALE
from pipeline.quantize.pt2e import (
    FixedQParamsQuantizationSpec,
    MinMaxObserver,
    PerChannelMinMaxObserver,
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    SharedQuantizationSpec,
)
from targets.errors import ArtifactError

ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=MinMaxObserver.with_args(eps=LEAST_SCALE),
)


class EdgeQuantizer:
    """Annotates what the rules can make int8, and keeps a reason for what they can't.

    Has the methods that `prepare_pt2e` asks of a torchao Quantizer.
    """

    def __init__(self, keeps: frozenset[str] = frozenset(), *, float_outlets: bool = False) -> None:
        """`keeps` are the names of nodes that stay float, whatever the rules say; with
        `float_outlets` operators with weights leave float32 where float operators alone read it."""
        self._keeps = keeps
        self._float_outlets = float_outlets
        self.declined: dict[str, str] = {}
        """Reason by the name of a node that no rule covers."""

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Nothing is rewritten before annotating, but for norms that folding must not see."""
        norms.show(model)
        return model

    def annotate(self, model: GraphModule) -> GraphModule:
        """Writes an annotation on every node that a rule covers; an empty one keeps a node float.

        Raises ArtifactError where a node that is to stay float isn't there.
        """
        self._keep(model)
        for node in model.graph.nodes:
            if node.op == "call_function" and ANNOTATION not in node.meta and is_float(node):
                reason = annotate(node)
                if reason:
                    self.declined[node.name] = node.meta[DECLINED] = reason
        if self._float_outlets:
            for node in outlets(model):
                node.meta[ANNOTATION].output_qspec = None
        return model

    def _keep(self, model: GraphModule) -> None:
        nodes = {node.name: node for node in model.graph.nodes}
        if missing := sorted(self._keeps - set(nodes)):
            raise ArtifactError(
                f"quantize: '{missing[0]}' is to stay float, but the model has no such node; "
                "the plan is for another model"
            )
        for name in self._keeps:
            nodes[name].meta[ANNOTATION] = KEPT

    def validate(self, model: GraphModule) -> None:
        """Annotations need no second look: they come from one table."""

    def prepare_obs_or_fq_callback(self, model: GraphModule, observers: object) -> None:
        """Observers are taken as they are inserted."""


def outlets(model: GraphModule) -> list[Node]:
    """Where values leave an annotated graph's operators with weights for float ones alone."""
    ends = [fused_activation(node) or node for node in model.graph.nodes
            if node.target in rules.WEIGHTED and ANNOTATION in node.meta]  # fmt: skip
    return [
        node
        for node in ends
        if ANNOTATION in node.meta
        and node.meta[ANNOTATION].output_qspec is not None
        and not any(takes_integers(user) for user in readers(node))
    ]


def annotate(node: Node) -> str | None:
    """Annotates one node by its operator's rule, or says why it stays float."""
    if not isinstance(node.target, OpOverload):  # Python's getitem takes a tensor out of a list
        return None
    for operators, rule in RULES:
        if node.target in operators:
            return rule(node)
    return rules.FLOAT.get(node.target, "has no int8 rule")


def _weighted(node: Node) -> str | None:
    data, weight = node.args[0], node.args[1]
    if not (isinstance(data, Node) and isinstance(weight, Node) and weight.op == "get_attr"):
        return "its weight is computed, not stored"
    _put(node, {data: _arriving(data), weight: _weight_spec(rules.WEIGHTED[node.target])})
    _leave(node)
    return None


def _binary(node: Node) -> str | None:
    read = operands(node)
    if len(read) < 2:
        return "one operand is a number, not a tensor"
    if all(map(is_given_in_float, read)) and leads_to_floats(node):
        return rules.AMONG_FLOATS
    _put(node, {operand: _arriving(operand) for operand in read})
    _leave(node)
    return None


def _unary(node: Node) -> None:
    data = operand_of(node)
    _put(node, {data: _arriving(data)}, ACTIVATION)


def _fixed(node: Node) -> None:
    data = operand_of(node)
    _put(node, {data: _arriving(data)}, _fixed_spec(*rules.FIXED[node.target]))


def _shared(node: Node) -> str | None:
    if node.target in rules.MOVING and is_among_floats(node):
        return rules.UNREAD
    data = operand_of(node)
    _put(node, {data: _arriving(data)}, SharedQuantizationSpec((data, node)))
    return None


def _concatenating(node: Node) -> None:
    parts = list(dict.fromkeys(node.all_input_nodes))
    shared = SharedQuantizationSpec((parts[0], node))
    _put(node, {parts[0]: ACTIVATION} | dict.fromkeys(parts[1:], shared), shared)


def _splitting(node: Node) -> str | None:
    if is_among_floats(node):
        return rules.UNREAD
    data = operand_of(node)
    _put(node, {data: _arriving(data)})
    for part in node.users:
        if ANNOTATION not in part.meta:
            _put(part, {}, SharedQuantizationSpec((data, node)))
    return None


RULES: tuple[tuple[Container[object], Callable[[Node], str | None]], ...] = (
    (rules.WEIGHTED, _weighted),
    (rules.BINARY, _binary),
    (rules.UNARY | rules.ACTIVATIONS, _unary),
    (rules.FIXED, _fixed),
    (rules.SHARED, _shared),
    (rules.CONCATENATING, _concatenating),
    (rules.SPLITTING, _splitting),
)


def _leave(node: Node) -> None:
    """Quantizes where the value leaves the operator: after an activation that fuses into it."""
    after = fused_activation(node)
    kept_float = after is not None and ANNOTATION in after.meta
    _put(node if after is None or kept_float else after, {}, ACTIVATION)


def fused_activation(node: Node) -> Node | None:
    """The activation that runtimes compute within the operator."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target in rules.ACTIVATIONS else None


def _put(
    node: Node,
    inputs: Mapping[Node, QuantizationSpecBase],
    output: QuantizationSpecBase | None = None,
) -> None:
    annotation = node.meta.setdefault(ANNOTATION, QuantizationAnnotation(_annotated=True))
    annotation.input_qspec_map.update(inputs)
    if output is not None:
        annotation.output_qspec = output


def _arriving(node: Node) -> QuantizationSpecBase:
    """How a value is quantized where it is used: as it was made, if that was fixed."""
    source = node
    while ANNOTATION not in source.meta and (source.target in rules.MOVING or is_element(source)):
        source = operand_of(source)
    if source.target in rules.ARRIVING:
        return _fixed_spec(*rules.ARRIVING[source.target])
    annotation = node.meta.get(ANNOTATION)
    made = annotation.output_qspec if annotation else None
    return made if isinstance(made, FixedQParamsQuantizationSpec) else ACTIVATION


def _weight_spec(channel_axis: int) -> QuantizationSpec:
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=channel_axis,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=LEAST_SCALE),
    )


def _fixed_spec(scale: float, zero_point: int) -> FixedQParamsQuantizationSpec:
    return FixedQParamsQuantizationSpec(
        dtype=torch.int8,
        scale=scale,
        zero_point=zero_point,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
    )
