"""Making a candidate from a shaped model: exported, looked at, measured beside dense, judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import evidence, sittings, stages
from pipeline.desk import Desk
from pipeline.evidence import Least, Seen
from pipeline.recipe import Quantize
from pipeline.results import Judged, Made
from targets.budget import told
from targets.errors import ConversionError


def make(
    desk: Desk,
    name: str,
    folder: Path,
    quantize: Quantize | None,
    runtimes: Sequence[str],
    least: Least = evidence.TRAINED,
) -> Made:
    """The model's artifact for each of the runtimes, scored; why not is among the failures.

    Args:
        desk: what the run works with.
        name: what it is called in the report.
        folder: the candidate.
        quantize: how; None for float32.
        runtimes: those that it is made for.
        least: how faithful to the quantized torch graph a quantized artifact has to be.
    """
    exported = stages.export(desk, folder, quantize, runtimes)
    failures = dict(exported.failures)
    seen: dict[str, Seen] = {}
    for runtime in exported.files:
        try:
            seen[runtime] = evidence.see(desk, runtime, exported, least)
        except ConversionError as error:
            failures[runtime] = str(error)
    for runtime, why in failures.items():
        desk.console.remark(f"{runtime}: {why}")
    return Made(name, folder, exported, seen, failures)


def judge(desk: Desk, dense: Made, made: Made) -> Judged:
    """The candidate measured beside dense on every runtime that both could be made for."""
    runtimes = [runtime for runtime in made.seen if runtime in dense.seen]
    trials = {
        runtime: sittings.trial(desk, dense.seen[runtime], made.seen[runtime])
        for runtime in runtimes
    }
    for runtime, one in trials.items():
        desk.console.remark(f"{runtime}: {told(one.verdict)}")
    return Judged(made, trials)


def check_any(made: Sequence[Made], failures: Mapping[str, str]) -> None:
    """Raise ConversionError, with the failures, where no runtime has an artifact of any."""
    if not any(one.seen for one in made):
        raise ConversionError("no runtime can take the model: " + "; ".join(failures.values()))
