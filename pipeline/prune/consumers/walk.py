"""Running a graph over all batches node by node, with pauses in which its weights may change."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import fx

Inputs = tuple[torch.Tensor, ...]


class Walk:
    """One graph over several batches at once, each node for every batch before the next node.

    A value lives until its last user has run, or until the node that `hold` names for it. So a
    whole net is repaired in one pass, and memory holds what crosses one place of the graph.
    """

    def __init__(
        self, module: fx.GraphModule, batches: Sequence[Inputs], hold: Mapping[str, str]
    ) -> None:
        """`hold`: per node name, the name of a later node until which its value is kept."""
        self._nodes = list(module.graph.nodes)
        self._by_name = {node.name: node for node in self._nodes}
        self._runs = [_start(module, batch) for batch in batches]
        self._freed_before = self._last_uses(hold)
        self._position = 0

    def __len__(self) -> int:
        """The number of batches."""
        return len(self._runs)

    def through(self, name: str) -> None:
        """Run on until this node has run; nothing if it has."""
        end = self._nodes.index(self._by_name[name])
        while self._position <= end:
            node = self._nodes[self._position]
            self._free(self._freed_before.get(node.name, ()))
            self._run(node)
            self._position += 1

    def again(self, names: Iterable[str]) -> None:
        """Run these nodes once more: all values that they need are held."""
        for name in names:
            self._run(self._by_name[name])

    def rerun(
        self, names: Iterable[str], source: str, value: torch.Tensor, batch: int
    ) -> torch.Tensor:
        """What the last of these nodes gives for a batch if `source` gave this value. Nothing of
        the walk's own values changes."""
        run = self._runs[batch]
        before = dict(run.env)
        run.env[self._by_name[source]] = value
        for name in names:
            node = self._by_name[name]
            run.env[node] = run.run_node(node)
        found = run.env[node]
        run.env = before
        assert isinstance(found, torch.Tensor), f"{node} gives no tensor"
        return found

    def value(self, name: str, batch: int) -> torch.Tensor:
        """What a node gave for a batch."""
        found = self._runs[batch].env[self._by_name[name]]
        assert isinstance(found, torch.Tensor), f"{name} gives no tensor"
        return found

    def _run(self, node: fx.Node) -> None:
        for run in self._runs:
            run.env[node] = run.run_node(node)

    def _free(self, nodes: Iterable[fx.Node]) -> None:
        for run in self._runs:
            for node in nodes:
                run.env.pop(node, None)

    def _last_uses(self, hold: Mapping[str, str]) -> dict[str, list[fx.Node]]:
        """Per node name, the nodes whose values nobody needs from it on."""
        rank = {node.name: position for position, node in enumerate(self._nodes)}
        freed: dict[str, list[fx.Node]] = {}
        for node in self._nodes:
            uses = [rank[user.name] for user in node.users]
            last = max([rank[node.name], *uses, rank[hold.get(node.name, node.name)]])
            if last + 1 < len(self._nodes):
                freed.setdefault(self._nodes[last + 1].name, []).append(node)
        return freed


def _start(module: fx.GraphModule, batch: Inputs) -> fx.Interpreter:
    """An interpreter that has its inputs and has run nothing."""
    run = fx.Interpreter(module, garbage_collect_values=False)
    run.extra_traceback = False
    run.args_iter = iter(batch)
    return run
