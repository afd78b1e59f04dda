"""Autocast and no-grad regions: export wraps their nodes, which belong in the graph itself."""

import operator

from torch import fx

from pipeline.graph.attributes import attribute


def inline_wrappers(module: fx.GraphModule) -> fx.GraphModule:
    """Replace every wrapper call by the nodes of the submodule that it wraps, in place."""
    wrappers = [
        node
        for node in module.graph.nodes
        if node.op == "call_function" and "wrap_with" in str(node.target)
    ]
    for node in wrappers:
        _inline(module, node)
    if wrappers:
        module.graph.lint()
        module.recompile()
        inline_wrappers(module)  # a region may hold another
    return module


def _inline(module: fx.GraphModule, node: fx.Node) -> None:
    position = next(i for i, item in enumerate(node.args) if _is_submodule(module, item))
    holder = node.args[position]
    assert isinstance(holder, fx.Node)
    inner = attribute(module, str(holder.target))
    assert isinstance(inner, fx.GraphModule)
    places = [n for n in inner.graph.nodes if n.op == "placeholder"]
    copied: dict[fx.Node, object] = dict(zip(places, node.args[position + 1 :], strict=True))
    with module.graph.inserting_before(node):
        outcome = _copy_nodes(module, inner, str(holder.target), copied)
    _replace(module, node, outcome)
    if not holder.users:
        module.graph.erase_node(holder)


def _is_submodule(module: fx.GraphModule, item: object) -> bool:
    if not isinstance(item, fx.Node) or item.op != "get_attr":
        return False
    return isinstance(attribute(module, str(item.target)), fx.GraphModule)


def _copy_nodes(
    module: fx.GraphModule, inner: fx.GraphModule, prefix: str, copied: dict[fx.Node, object]
) -> object:
    def resolve(node: fx.Node) -> fx.Node:
        found = copied[node]
        assert isinstance(found, fx.Node)
        return found

    for node in inner.graph.nodes:
        if node.op == "output":
            return fx.map_arg(node.args[0], resolve)
        if node.op != "placeholder":
            made = module.graph.node_copy(node, resolve)
            if node.op == "get_attr":
                made.target = f"{prefix}.{node.target}"
            copied[node] = made
    return None


def _replace(module: fx.GraphModule, node: fx.Node, outcome: object) -> None:
    parts = outcome if isinstance(outcome, (tuple, list)) else (outcome,)
    for user in list(node.users):
        if user.target is operator.getitem:
            index = user.args[1]
            assert isinstance(index, int)
            user.replace_all_uses_with(parts[index])
            module.graph.erase_node(user)
    if node.users:
        node.replace_all_uses_with(parts[0])
    module.graph.erase_node(node)
