"""Where weights can be solved for: consumers of channels, and the place their output is judged.

A consumer's own output is not what the rest of the net reads. Behind a batch norm and an addition
to the residual stream stands the value that is read: there the error of the whole branch, and of
the shortcut beside it, can be seen and made up for.
"""

from dataclasses import dataclass, replace

import torch
from torch import fx

from pipeline.graph.attributes import attribute
from pipeline.graph.operators.entry import bind, operator_name

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
CONSUMERS = ("linear", *CONVOLUTIONS)
_THROUGH = ("dropout", "dropout_", "contiguous", "alias", "clone", "detach")
_ADDITIONS = ("add", "add_")
_RECTIFIERS = {"relu": (0.0, float("inf")), "relu_": (0.0, float("inf"))}
_CLAMPS = ("hardtanh", "hardtanh_")
_TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
UNLIMITED = (float("-inf"), float("inf"))
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


@dataclass(frozen=True)
class Site:
    """One consumer, and where its output is judged.

    Attributes:
        name: of the node that multiplies by the weight.
        source: of the node that gives its input.
        weight: the weight's name.
        bias: the name of its bias, None without one.
        norm: the batch norm that follows, None without one.
        path: nodes from the consumer to the judged one, in order.
        limits: between which values the judged tensor is read; a rectifier reads none below 0.
    """

    name: str
    source: str
    weight: str
    bias: str | None
    norm: str | None
    path: tuple[str, ...]
    limits: tuple[float, float]

    @property
    def hides(self) -> bool:
        """Whether some errors of the judged value can't be seen."""
        return self.limits != UNLIMITED

    @property
    def judged(self) -> str:
        """The node whose value is compared with the dense net's."""
        return self.path[-1]


@dataclass(frozen=True)
class Declined:
    """A consumer that stays as pruning left it, and why."""

    name: str
    reason: str


def find(module: fx.GraphModule) -> tuple[list[Site], list[Declined]]:
    """All consumers in the order in which they are judged; those that can't be solved for."""
    users = _weight_users(module)
    sites: list[Site] = []
    declined: list[Declined] = []
    for node in module.graph.nodes:
        if not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = operator_name(node)
        if name in CONSUMERS:
            reason = _unfit(node, users)
            if reason is None:
                sites.append(_site(node))
            else:
                declined.append(Declined(node.name, reason))
        elif name in _TRANSPOSED:
            declined.append(Declined(node.name, "a transposed convolution's sums overlap"))
        elif name in _RECURRENT:
            declined.append(Declined(node.name, "a recurrent layer's outputs are its own inputs"))
    rank = {node.name: position for position, node in enumerate(module.graph.nodes)}
    judged = _judged_once(sorted(sites, key=lambda site: rank[site.judged]))
    return sorted(judged, key=lambda site: rank[site.judged]), declined


def _weight_users(module: fx.GraphModule) -> dict[str, int]:
    """How many nodes use each stored tensor."""
    counts: dict[str, int] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            counts[str(node.target)] = counts.get(str(node.target), 0) + len(node.users)
    return counts


def _unfit(node: fx.Node, users: dict[str, int]) -> str | None:
    arguments = bind(node)
    weight = arguments["weight"]
    if not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return "its weight is computed"
    if users[str(weight.target)] > 1:
        return "its weight is shared"
    if isinstance(arguments.get("padding"), str):
        return None if arguments["padding"] in ("valid", "same") else "its padding is unknown"
    return None


def _site(node: fx.Node) -> Site:
    arguments = bind(node)
    source, weight, bias = arguments["input"], arguments["weight"], arguments.get("bias")
    assert isinstance(source, fx.Node)
    assert isinstance(weight, fx.Node)
    path, norm = _path(node)
    return Site(
        node.name,
        source.name,
        str(weight.target),
        str(bias.target) if isinstance(bias, fx.Node) else None,
        norm,
        tuple(step.name for step in path),
        _limits(path[-1]),
    )


def _path(node: fx.Node) -> tuple[list[fx.Node], str | None]:
    """From a consumer through its batch norm to the addition that ends its branch."""
    path, norm = [node], None
    while (user := _only_user(path[-1])) is not None:
        name = operator_name(user)
        if name == "batch_norm" and norm is None and bind(user)["input"] is path[-1]:
            norm = user.name
        elif name in _ADDITIONS and _plain_addition(user, path[-1]):
            if not _written(node, user):
                path.append(user)
            break
        elif name not in _THROUGH:
            break
        path.append(user)
    return path, norm


def _only_user(node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    fits = len(users) == 1 and isinstance(users[0].target, torch._ops.OpOverload)
    return users[0] if fits else None


def _plain_addition(node: fx.Node, branch: fx.Node) -> bool:
    """Whether a node adds the branch as it is to a tensor of its shape, and writes to no other."""
    first, second = node.args[0], node.args[1]
    if not isinstance(first, fx.Node) or not isinstance(second, fx.Node) or first is second:
        return False
    if operator_name(node) == "add_" and first is not branch:
        return False
    return not node.kwargs and _shape(node) == _shape(branch)


def _written(node: fx.Node, end: fx.Node) -> bool:
    """Whether a consumer's input is written to before `end`: it could not be read again there."""
    step = node.next
    while step is not end:
        target = step.target
        mutable = isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable
        if mutable and step.args and step.args[0] is node.args[0]:
            return True
        step = step.next
    return False


def _shape(node: fx.Node) -> tuple[object, ...] | None:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def _limits(judged: fx.Node) -> tuple[float, float]:
    """What the one reader of a value tells apart."""
    reader = _only_user(judged)
    name = operator_name(reader) if reader is not None else ""
    if reader is not None and name in _CLAMPS:
        arguments = bind(reader)
        low, high = arguments["min_val"], arguments["max_val"]
        assert isinstance(low, (int, float))
        assert isinstance(high, (int, float))
        return float(low), float(high)
    return _RECTIFIERS.get(name, UNLIMITED)


def _judged_once(sites: list[Site]) -> list[Site]:
    """Of consumers that meet in one addition the last makes up for all; the others are judged
    before it, each by its own output."""
    last = {site.judged: site.name for site in sites}
    found = []
    for site in sites:
        if last[site.judged] != site.name:
            end = site.path.index(site.norm) + 1 if site.norm is not None else 1
            found.append(replace(site, path=site.path[:end], limits=UNLIMITED))
        else:
            found.append(site)
    return found


def gain(module: fx.GraphModule, site: Site) -> torch.Tensor | None:
    """By how much the judged value moves with each channel of the consumer's output; None for 1."""
    if site.norm is None:
        return None
    node = next(node for node in module.graph.nodes if node.name == site.norm)
    arguments = bind(node)
    variance, scale = stored(module, arguments["running_var"]), stored(module, arguments["weight"])
    assert variance is not None
    epsilon = arguments["eps"]
    assert isinstance(epsilon, float)
    inverse = (variance.double() + epsilon).rsqrt()
    return inverse if scale is None else inverse * scale.double()


def stored(module: fx.GraphModule, item: object) -> torch.Tensor | None:
    """The stored tensor that a node gives."""
    if not isinstance(item, fx.Node) or item.op != "get_attr":
        return None
    found = attribute(module, str(item.target))
    return found.detach() if isinstance(found, torch.Tensor) else None


def behind_changes(dense: fx.GraphModule, pruned: fx.GraphModule) -> set[str]:
    """The nodes of a pruned graph whose values may differ from the dense graph's: those that a
    changed parameter or a changed constant reaches."""
    own = {node.name: node for node in dense.graph.nodes}
    changed: set[str] = set()
    for node in pruned.graph.nodes:
        before = own.get(node.name)
        reached = any(source.name in changed for source in node.all_input_nodes)
        if reached or before is None or _differs(before, node, dense, pruned):
            changed.add(node.name)
    return changed


def rewired(dense: fx.GraphModule, pruned: fx.GraphModule) -> set[str]:
    """The nodes of a pruned graph that read other nodes than they did: a block is gone from in
    between, and what they read now may be what it always was."""
    own = {node.name: node for node in dense.graph.nodes}
    return {
        node.name
        for node in pruned.graph.nodes
        if node.name in own and _read(own[node.name]) != _read(node)
    }


def _read(node: fx.Node) -> list[str]:
    return [source.name for source in node.all_input_nodes]


def _differs(before: fx.Node, now: fx.Node, dense: fx.GraphModule, pruned: fx.GraphModule) -> bool:
    if now.op != "get_attr":
        return str(before.args) != str(now.args) or str(before.kwargs) != str(now.kwargs)
    a, b = stored(dense, before), stored(pruned, now)
    return a is None or b is None or a.shape != b.shape
