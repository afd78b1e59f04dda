"""Names for blocks, made of the names of the parameters inside: the same for every fresh trace."""

from collections import Counter
from collections.abc import Iterable

from torch import fx


class Names:
    """Names regions of one graph."""

    def __init__(self, module: fx.GraphModule) -> None:
        """Its parameters' names are all that is asked."""
        self._all = [name for name, _ in module.named_parameters(remove_duplicate=False)]
        trained = set(self._all)
        nodes = [node for node in module.graph.nodes if node.op == "get_attr"]
        names = [str(node.target) for node in nodes]
        self._place = {
            node: place
            for place, (node, name) in enumerate(zip(nodes, names, strict=True))
            if name in trained
        }

    def of(self, nodes: Iterable[fx.Node]) -> str:
        """`layer1.0` where the region has all parameters of that module, else
        `layer1.0.conv1+bn1`: the module, and its parts in the order of their use."""
        given = {node for one in nodes for node in (one, *one.all_input_nodes)}
        stored = sorted(given.intersection(self._place), key=self._place.__getitem__)
        names = [str(node.target) for node in stored]
        if not names:
            return "no parameters"
        prefix = _shared([name.split(".")[:-1] for name in names])
        stem = "".join(f"{part}." for part in prefix)
        if stem and {name for name in self._all if name.startswith(stem)} == set(names):
            return stem.removesuffix(".")
        parts = dict.fromkeys(name.removeprefix(stem).split(".")[0] for name in names)
        return stem + "+".join(parts)


def numbered(names: Iterable[str]) -> list[str]:
    """Names made unique: a module that runs twice gives `body` and `body#2`; so do a branch and the
    same with the activation after its sum."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result


def _shared(paths: list[list[str]]) -> list[str]:
    """The longest path that all begin with."""
    prefix = paths[0]
    for path in paths[1:]:
        same = [a == b for a, b in zip(prefix, path, strict=False)]
        prefix = prefix[: same.index(False) if False in same else len(same)]
    return prefix
