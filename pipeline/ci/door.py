"""`edgesmith check`: limits, a baseline, and what is left for the CI server, on one device or more.

What was found is written to the files before the check ends, and so is the error that ended it: a
job that failed shows why where its host looks.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import check as checking
from pipeline import fleet
from pipeline import sustain as sustaining
from pipeline.check import stated_budget
from pipeline.ci import gating
from pipeline.ci.annotations import annotations
from pipeline.ci.files import Files
from pipeline.ci.gating import Gate
from pipeline.console import Console
from pipeline.fleet import Outcome
from pipeline.given import NOTHING, Given
from targets import device as devices
from targets.errors import EdgesmithError, UsageError
from targets.measurement import TimingRule


@dataclass(frozen=True)
class Order:
    """What `check` was asked for.

    Attributes:
        model: the file.
        devices: profiles' names, at least one.
        limits: LIMIT=NUMBER each.
        budget: a file of limits.
        given: sizes that the file leaves open, and data to score it on.
        rule: how it is measured.
        gate: a baseline, and how much worse the model may be.
        files: what is written besides.
        annotated: whether findings are told to GitHub's runner, on stderr.
    """

    model: Path
    devices: tuple[str, ...] = ("host",)
    limits: tuple[str, ...] = ()
    budget: Path | None = None
    rule: TimingRule | None = None
    gate: Gate | None = None
    files: Files = field(default_factory=Files)
    annotated: bool = False
    given: Given = NOTHING

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Leaves what was found where it was asked for."""
        self.files.write(self.model, outcomes)
        if self.annotated:
            sys.stderr.write(annotations(self.model, outcomes))


def check(order: Order, as_json: bool) -> int:
    """Judges a model file and prints what was found; the exit code follows the verdict.

    Raises:
        UsageError: there is nothing to judge by, a baseline is asked for on several devices, or a
            file can't be written where it should be.
        ArtifactError: the model or the baseline's run can't be read.
    """
    order.files.check(order.model)
    try:
        return (_on_one if len(order.devices) == 1 else _on_several)(order, as_json)
    except EdgesmithError as error:
        order.tell(tuple(Outcome(device, error) for device in order.devices))
        raise


def sustain(order: Order, minutes: float, as_json: bool) -> int:
    """Judges the last part of a long load by limits.

    Raises UsageError for what is asked of a check alone: several devices, a baseline, files.
    """
    alone = (order.gate is None, order.files == Files(), not order.annotated)
    if not all(alone) or order.given.data is not None:
        raise UsageError(
            "--sustained has a curve of its own, and takes no --baseline, --junit, --markdown, "
            "--sarif, --annotate or --data; leave one of the two out"
        )
    asked = minutes, order.rule or TimingRule(), as_json, order.limits, order.budget, order.given
    return sustaining.check(order.model, ",".join(order.devices), *asked)


def _on_one(order: Order, as_json: bool) -> int:
    stated = stated_budget(order.limits, order.budget, order.given)
    profile = devices.load(order.devices[0])
    asked = order.model, profile, stated, order.rule
    with Console() as console:
        if order.gate is None:
            found = checking.checked(*asked, console, order.given)
        else:
            found = gating.checked(*asked, console, order.gate, order.given)
    order.tell((Outcome(profile.name, found),))
    checking.show(found.document, found.verdict, as_json)
    return found.code


def _on_several(order: Order, as_json: bool) -> int:
    if order.gate is not None:
        raise UsageError(
            f"--baseline is of one device, and --device names {len(order.devices)}; check each "
            "device with a run of its own"
        )
    asked = order.model, order.devices, order.limits, order.budget, as_json, order.rule
    return fleet.check(*asked, order.tell, order.given)
