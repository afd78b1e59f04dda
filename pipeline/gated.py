"""What the gate found: a final artifact compared with what it came from, and what leaves."""

from collections.abc import Mapping
from dataclasses import dataclass

from targets.comparison import Comparison


@dataclass(frozen=True)
class Gated:
    """The outcome for one runtime's final artifact.

    Attributes:
        final: the name of the candidate that stood at the gate.
        against: its comparison with each parent, by the parent's name: the dense model, and its
            own float32 version where it is quantized. Empty where none could be held.
        delivered: the name of the candidate that leaves.
        told: the outcome in a line.
    """

    final: str
    against: Mapping[str, Comparison]
    delivered: str
    told: str

    @property
    def improves(self) -> bool:
        """Whether the final artifact is faster than every parent with 95 % confidence."""
        found = {one.verdict for one in self.against.values()}
        return found == {"faster"}

    def lineage(self, name: str) -> tuple[str, ...]:
        """What the gate has to say of a candidate, in short: of the final one, and of what left."""
        if name == self.final:
            if not self.against:
                return ("gate: not compared with what it came from",)
            found = [f"{one.verdict} against {parent}" for parent, one in self.against.items()]
            return ("gate: " + ("" if self.improves else "no improvement: ") + ", ".join(found),)
        if name == self.delivered:
            return (f"gate: leaves instead of {self.final}, which is no improvement",)
        return ()
