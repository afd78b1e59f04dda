"""Whether a runtime makes int8 again what a recipe excludes: told, since a plan can't forbid it."""

from dataclasses import replace
from pathlib import Path

from pipeline import quantizing
from pipeline.desk import Desk
from pipeline.ladder import Method
from pipeline.placing import Placement, drafted, undone
from pipeline.recipe import Quantize
from targets.errors import ConversionError, TaskError


def with_excluded(
    desk: Desk, shaped: Path, settings: Quantize, runtime: str, placement: Placement
) -> Placement:
    """The placement, telling where the runtime makes int8 again what the recipe excludes.

    Args:
        desk: what the run works with.
        shaped: the float candidate.
        settings: the quantize step.
        runtime: its name.
        placement: of the candidate's plan there.
    """
    why = _why(desk, shaped, settings, runtime)
    if why is None:
        return placement
    told = f"what is excluded ({', '.join(settings.exclude)}) did not stay float: {why}"
    desk.console.remark(f"{runtime}: {told}")
    return replace(placement, told="; ".join(part for part in (placement.told, told) if part))


def _why(desk: Desk, shaped: Path, settings: Quantize, runtime: str) -> str | None:
    """By an artifact beside that of a plan that excludes nothing; None where it stayed float, and
    where there can't be both: what can't be observed can't be int8 either."""
    keeps = quantizing.excluded(desk, shaped, settings)
    if not keeps:
        return None
    method = Method(settings.range)
    try:
        whole, kept = (
            drafted(desk, quantizing.plan(desk, shaped, method, own), settings, runtime)[1]
            for own in ((), keeps)
        )
    except (ConversionError, TaskError):
        return None
    return undone(whole, kept)
