"""From a shaped model to its candidates: in float32, quantized at once, trained, or by the ladder.

A candidate is for all runtimes that run the same plan; where one runtime keeps more operators float
than another, there are several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import climbing, evidence, making, native, placing, quantizing, undoing
from pipeline.desk import Desk
from pipeline.evidence import Least
from pipeline.ladder import Method
from pipeline.placing import Placement
from pipeline.recipe import Quantize
from pipeline.results import Judged, Made
from targets.errors import ConversionError


def finish(
    desk: Desk,
    dense: Made,
    name: str,
    folder: Path,
    runtimes: Sequence[str],
    least: Least = evidence.TRAINED,
) -> tuple[Judged, ...]:
    """A shaped model as the candidates that it is: quantized as the recipe says, and judged.

    Args:
        desk: what the run works with.
        dense: the baseline.
        name: what was done to it so far.
        folder: the shaped candidate.
        runtimes: those that it is made for.
        least: how faithful to the quantized torch graph a quantized artifact has to be. What need
            not be as faithful as a trained model is not worth training or a search.
    """
    settings = desk.quantize
    if settings is not None and least != evidence.TRAINED:
        settings = settings.at_once
    if settings is None or settings.scheme != "int8":
        return (_plain(desk, dense, name, folder, runtimes, least),)
    keeps = quantizing.excluded(desk, folder, settings)
    doubts = quantizing.doubts(desk, folder, keeps)
    judged: list[Judged] = []
    if settings.mode == "ladder":
        judged += climbing.climb(desk, dense, name, folder, runtimes, least)
    elif settings.engine != "native":
        judged += _quantized(desk, dense, name, folder, runtimes, least, settings)
    if settings.engine != "unified":
        own = native.finish(desk, dense, name, folder, runtimes)
        judged = _weighed(desk, dense, judged, dict(zip(runtimes, own, strict=True)))
    return tuple(replace(one, doubts=doubts) for one in judged)


def _weighed(
    desk: Desk, dense: Made, unified: Sequence[Judged], own: Mapping[str, Judged]
) -> list[Judged]:
    """Both engines' candidates, runtime by runtime; the worse ones only beside the others."""
    limits = desk.loaded.recipe.budget.metric
    found = []
    for runtime, one in own.items():
        other = next((each for each in unified if runtime in each.trials), None)
        if other is None:
            found.append(one)
            continue
        alone = replace(other, trials={runtime: other.trials[runtime]})
        found += native.better(alone, one, runtime, dense.seen[runtime].scores, limits)
    return found + [each for each in unified if not each.trials]


def _quantized(
    desk: Desk,
    dense: Made,
    name: str,
    folder: Path,
    runtimes: Sequence[str],
    least: Least,
    settings: Quantize,
) -> tuple[Judged, ...]:
    """Without a search: one candidate for each group of runtimes that keep the same float."""
    kind = [name, *(["qat"] if settings.mode == "qat" else []), "int8"]
    told = "-".join(part for part in kind if part)
    planned = _planned(desk, folder, settings)
    desk.console.step(f"{told}: exporting, scoring and measuring beside dense")
    placements = placed(desk, folder, planned, settings, runtimes)
    judged = []
    for found in dict.fromkeys(replace(one, told="") for one in placements.values()):
        own = [one for one in runtimes if replace(placements[one], told="") == found]
        kept = placing.applied(desk, planned, found)
        made = making.make(desk, told, kept, settings, own, least)
        reasons = {runtime: placements[runtime].told for runtime in own}
        judged.append(replace(making.judge(desk, dense, made), placed=reasons))
    return tuple(judged)


def _plain(
    desk: Desk, dense: Made, name: str, folder: Path, runtimes: Sequence[str], least: Least
) -> Judged:
    """One candidate for all runtimes: float32, or with weights of fewer bits alone."""
    scheme = desk.quantize.scheme if desk.quantize else ""
    told = "-".join(part for part in (name, scheme) if part)
    desk.console.step(f"{told}: exporting, scoring and measuring beside dense")
    return making.judge(
        desk, dense, making.make(desk, told, folder, desk.quantize, runtimes, least)
    )


def _planned(desk: Desk, folder: Path, settings: Quantize) -> Path:
    """The candidate with a plan beside it, where exporting can't make that itself."""
    keeps = quantizing.excluded(desk, folder, settings)
    if settings.mode == "ptq" and not keeps and not placing.is_doubtful(desk, folder):
        return folder
    planned = quantizing.plan(desk, folder, Method(settings.range), keeps)
    if settings.mode == "ptq":
        return planned
    training = settings.training(settings.minutes)
    desk.console.step(f"quantization-aware training: {training.told}")
    return quantizing.train(desk, planned, training)


def placed(
    desk: Desk, shaped: Path, folder: Path, settings: Quantize, runtimes: Sequence[str]
) -> dict[str, Placement]:
    """What stays float on each runtime of a shaped model, as measured with the plan in `folder`;
    nothing where there is no plan to change."""
    if not (folder / quantizing.PLAN).exists():
        return dict.fromkeys(runtimes, Placement(()))
    found = {}
    for runtime in runtimes:
        try:
            one = placing.place(desk, folder, settings, runtime)
        except ConversionError as error:
            one = Placement((), f"not measured: {error}")
        desk.console.remark(f"{runtime}: {one.told}")
        found[runtime] = undoing.with_excluded(desk, shaped, settings, runtime, one)
    return found
