"""What of a check somebody has to look at: limits that are not met, why it is slow, what failed.

Sarif and annotations are written from this; they have no place for what is in order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.fleet import Outcome
from targets.budget import Line
from targets.errors import EdgesmithError

Level = Literal["error", "warning", "note"]
LEVELS: dict[str, Level] = {"FAIL": "error"}
"""By status; all others that are no PASS leave the question open."""
OPEN: Level = "warning"
DIAGNOSED: dict[str, Level] = {"error": "warning", "warning": "note", "note": "note"}
"""What makes a model slow fails no check: its limits do."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        device: the profile's name.
        rule: what was broken: a limit's name, or an error's kind.
        level: how bad it is.
        message: in a sentence.
    """

    device: str
    rule: str
    level: Level
    message: str


def findings(outcomes: Sequence[Outcome]) -> tuple[Finding, ...]:
    """All of a check, device by device, in the order of the lines."""
    return tuple(one for outcome in outcomes for one in _of(outcome))


def _of(outcome: Outcome) -> Iterator[Finding]:
    found = outcome.found
    if isinstance(found, EdgesmithError):
        yield Finding(outcome.device, type(found).__name__, "error", str(found))
        return
    for line in found.verdict.lines:
        if line.status != "PASS":
            level = LEVELS.get(line.status, OPEN)
            yield Finding(outcome.device, line.limit, level, f"{line.status}: {told(line)}")
    for one in found.findings:
        yield Finding(outcome.device, one.rule, DIAGNOSED[one.severity], f"{one.found}; {one.cure}")


def told(line: Line) -> str:
    """A judged limit in a sentence."""
    numbers = {"observed": line.observed, "bound": line.bound, "budget": line.budget}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items() if value is not None)
    stated = f" (stated: {line.stated})" if "%" in line.stated else ""
    parts = (f"{line.limit}{stated}", shown, line.reason)
    return "; ".join(part for part in parts if part)
