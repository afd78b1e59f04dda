"""Sequential, error-compensating ridge least squares into the consumers of channels.

Consumers are solved in the graph's order: inputs come from the pruned net as repaired so far,
targets from the dense net, so that each makes up for the errors of those before it (He et al. 2017,
"Channel Pruning", section 3.2). Judged behind the addition to the residual stream, a branch also
makes up for the error that the stream brought along. Where a rectifier reads the value, errors that
it hides cost nothing (after Zhang et al. 2016, "Accelerating Very Deep Convolutional Networks",
section 3.2): hidden values are their own targets, and the same factorised system is solved again.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import fx

from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Inputs, Walk
from pipeline.prune.repair.branches import Branch, Turn, find_branches
from pipeline.prune.repair.equation import Equation, Strength

Kept = Callable[[str, torch.Tensor, int], torch.Tensor]
"""Of a dense node's value, for a batch of this number, what pruning keeps."""


class Repairer:
    """The dense and the pruned graph side by side; the pruned one's weights change in place."""

    def __init__(
        self,
        dense: fx.GraphModule,
        pruned: fx.GraphModule,
        sites: Sequence[Site],
        batches: Sequence[Inputs],
        kept: Kept,
        strength: Strength,
    ) -> None:
        """Nothing has run yet; `sites` are in the order in which they are judged."""
        self._module = pruned
        self._sites = sites
        self._branches = find_branches(pruned, sites) if strength.turns else {}
        self._kept = kept
        self._strength = strength
        self._dense = Walk(dense, batches, {})
        self._pruned = Walk(pruned, batches, _held(pruned, sites, self._branches))

    def run(self) -> None:
        """Solve all sites in their order, and a branch's inner weights again once its end is."""
        solved: dict[str, Equation] = {}
        for site in self._sites:
            self._dense.through(site.judged)
            self._pruned.through(site.judged)
            equation = self._equation(site)
            equation.solve(self._strength.rounds)
            branch = self._branches.get(site.name)
            if branch is not None and branch.inner in solved:
                inner = solved.pop(branch.inner)
                turn = Turn(self._module, self._pruned, branch, inner, equation)
                for _ in range(self._strength.turns):
                    if not turn.take():
                        break
                    equation.renew()
                    equation.solve(self._strength.rounds)
            elif any(one.inner == site.name for one in self._branches.values()):
                solved[site.name] = equation

    def _equation(self, site: Site) -> Equation:
        targets = [
            self._kept(site.judged, self._dense.value(site.judged, batch), batch)
            for batch in range(len(self._dense))
        ]
        return Equation(self._module, site, self._pruned, targets, self._strength)


def _held(
    module: fx.GraphModule, sites: Sequence[Site], branches: Mapping[str, Branch]
) -> dict[str, str]:
    """Until which node the values live that a path needs when it is run again."""
    nodes = {node.name: node for node in module.graph.nodes}
    rank = {name: position for position, name in enumerate(nodes)}
    held: dict[str, str] = {}
    for site in sites:
        branch = branches.get(site.name)
        for step in branch.path if branch is not None else site.path:
            for source in [nodes[step], *nodes[step].all_input_nodes]:
                before = held.get(source.name, source.name)
                held[source.name] = max(before, site.judged, key=lambda name: rank[name])
    return held
