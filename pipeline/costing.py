"""What a run's plans are charged, and what they lose: measured once, asked for every plan.

The charges are the cost table's of each runtime (pipeline/cost), measured on first use and kept
for the next run; where there can be none, the model's multiply-accumulates stand in, and the run
says so. What plans lose is the dense model's sensitivity and the divergence of its blocks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.prune.limits import Charge, Legal
from pipeline.search import Goal

_LEEWAY = 1e-9  # of a limit that is raised to what can just be reached


@dataclass(frozen=True)
class Costing:
    """What plans for some runtimes are charged.

    Attributes:
        legal: the widths that each group may have.
        charges: per limit what it is charged: several where several moments can be the peak.
        steps: the folders that the charges came from, as a plan's key.
    """

    legal: Legal
    charges: Mapping[Goal, tuple[Charge, ...]]
    steps: tuple[str, ...]

    def predicted(self, widths: Mapping[str, int], blocks: Iterable[str] = ()) -> dict[Goal, float]:
        """Per limit what a model of these widths and without these blocks takes."""
        gone = tuple(blocks)
        return {
            goal: max(one.of(self.legal, widths, gone) for one in own)
            for goal, own in self.charges.items()
        }

    def held(self, most: Mapping[Goal, float]) -> tuple[Charge, ...]:
        """All charges at these limits, each by a name of its own."""
        return tuple(
            replace(one, limit=f"{goal.name} ({place})" if place else goal.name, most=most[goal])
            for goal, own in self.charges.items()
            for place, one in enumerate(own)
        )
