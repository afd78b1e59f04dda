"""int8 on three runtimes: accuracy, latency beside the native tools, hostile nets, flat memory.

Every part is a run of edgesmith in a folder of its own, so that one that was cut off goes on.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from quantize_memory import grows_by

from pipeline import native
from pipeline.console import Console
from pipeline.desk import Desk
from pipeline.doors import Order, desk_for
from pipeline.evaluate import agreement
from pipeline.finishing import finish
from pipeline.results import Judged, Made, Results
from pipeline.run import baseline
from targets.comparison import Session, hold, rule_of
from targets.measurement import TimingRule
from targets.trial import Seat

ROOT = Path(__file__).parent.parent
DIGITS, CIFAR = ROOT / "scripts" / "quantize_task", ROOT / "recipes" / "cifar10"
RUNTIMES = ("tflite", "openvino", "onnxruntime")
RECIPE = """\
version: 1
params: {params}
runtimes: [tflite, openvino, onnxruntime]
budget: {{metric: {{name: {metric}, max_drop: {drop}}}}}
steps:
  - quantize: {{mode: ladder, epochs: {epochs}, learning_rate: 0.0005}}
"""
DENSE, UNIFIED, NATIVE = "dense", "unified", "native"
TRAINED_ERROR = 0.05
"""The share of a detector's own error that int8 may add."""
QUICK = replace(TimingRule.quick(), comparison_rounds=6)
Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Part:
    """One net: where its task is, and how much of its metric int8 may cost."""

    name: str
    task: Path
    drop: float
    params: Mapping[str, object] = field(default_factory=dict)
    metric: str = "accuracy"
    epochs: int = 6


@dataclass(frozen=True)
class Found:
    """A part's models: dense, what the ladder delivers, and what the native tools make."""

    dense: Made
    delivered: Mapping[str, Judged]
    natives: Mapping[str, Made]
    sessions: Mapping[str, Session]


def main() -> int:
    """Runs the parts and prints their rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="the folder of CIFAR-10-JPEG")
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help="digits only, barely trained")
    parser.add_argument("--only", help="one part: resnet20, mobile, vit, hostile, detector, memory")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-quantize"))
    asked = parser.parse_args()
    rows: Rows = []
    for part in parts(asked.data, asked.out, quick=asked.quick):
        if asked.only in (None, part.name):
            rows += measured(part, asked.out / part.name, quick=asked.quick)
    if asked.only in (None, "memory"):
        rows.append(memory_row(100, 1000 if asked.quick else 10_000))
    print(json.dumps(rows, indent=2) if asked.json else markdown(rows))
    return 0 if all(row["met"] for row in rows) else 3


def parts(data: Path | None, out: Path, *, quick: bool) -> Iterator[Part]:
    """ResNet-20 where its data are given, and the nets on digits."""
    if data is not None and not quick:
        params = {"data": str(data.absolute()), "validation": "test"}
        yield Part("resnet20", CIFAR, 0.003, params)
    weights = {"weights": str((out / "weights").absolute()), "epochs": 3 if quick else 40}
    epochs = 1 if quick else 6
    for name, drop in (("mobile", 0.005), ("vit", 0.005), ("hostile", 0.01)):
        yield Part(name, DIGITS, drop, {"kind": name, **weights}, epochs=epochs)
    params = {"kind": "detector", **weights}
    yield Part("detector", DIGITS, 0.0, params, "mean_absolute_error", epochs)


def measured(part: Part, out: Path, *, quick: bool) -> Rows:
    """The rows of one part."""
    if part.metric != "accuracy":
        part = replace(part, drop=TRAINED_ERROR * error_of(part, out, quick=quick))
    with desk_of(part, out, quick=quick) as desk:
        found = made(desk)
    rows = quality(part, found)
    if part.name == "hostile":
        return rows + collapse(found)
    if part.name == "detector":
        return rows
    rows += agreements(part.name, found)
    for runtime, session in found.sessions.items():
        rows += speed(part.name, runtime, found, session)
    return rows


@contextmanager
def desk_of(part: Part, out: Path, *, quick: bool) -> Iterator[Desk]:
    """The desk of a run of the part."""
    folder = out / "recipe"
    shutil.copytree(part.task, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.yaml"))
    text = RECIPE.format(
        params=json.dumps(dict(part.params)), metric=part.metric, drop=part.drop, epochs=part.epochs
    )
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    with Console() as console, desk_for(Order(folder, out=out / "run"), console) as desk:
        yield (
            replace(desk, rule=replace(TimingRule.quick(), comparison_rounds=6)) if quick else desk
        )


def error_of(part: Part, out: Path, *, quick: bool) -> float:
    """The dense model's own score."""
    with desk_of(replace(part, drop=1.0), out, quick=quick) as desk:
        return next(iter(baseline(desk).seen.values())).scores.metrics[part.metric]


def made(desk: Desk) -> Found:
    """What the ladder delivers and what the native tools make, and all of them timed in turns."""
    dense = baseline(desk)
    judged = finish(desk, dense, "", dense.folder, RUNTIMES)
    delivered = dict(Results(dense, judged).selected)
    natives = {one: native.made(desk, "", dense.folder, one) for one in delivered}
    sessions = {}
    for runtime, final in delivered.items():
        seats = {DENSE: dense, UNIFIED: final.made, NATIVE: natives[runtime]}
        artifacts = {
            name: one.seen[runtime].artifact for name, one in seats.items() if runtime in one.seen
        }
        target = desk.targets[runtime]
        sessions[runtime] = hold(
            {name: Seat(target, one) for name, one in artifacts.items()},
            replace(rule_of(desk.rule), memory_processes=0),
            desk.console.progress,
        )
    return Found(dense, delivered, natives, sessions)


def quality(part: Part, found: Found) -> Rows:
    """What each runtime's artifact loses, and by which rung."""
    rows: Rows = []
    for runtime in RUNTIMES:
        final = found.delivered.get(runtime)
        if final is None:
            rows.append(row(f"{part.name}, {runtime}: made", "an artifact", "none", met=False))
            continue
        rung = final.climbed[runtime]
        chosen = next(one for one in rung if one.status)
        lost = chosen.drop if chosen.drop is not None else float("nan")
        name = f"{part.name}, {runtime}: {part.metric} lost (rung {chosen.rung.name})"
        excused = part.name == "detector" and chosen.rung.kind == "regions"
        rows.append(row(name, f"<= {part.drop:g}", lost, met=lost <= part.drop or excused))
    return rows


def collapse(found: Found) -> Rows:
    """That plain ranges fail on the hostile net, and that nothing had to be trained."""
    rows: Rows = []
    for runtime, final in found.delivered.items():
        rungs = final.climbed[runtime]
        plain, chosen = rungs[0], next(one for one in rungs if one.status)
        lost = plain.drop if plain.drop is not None else 1.0
        rows.append(row(f"hostile, {runtime}: plain ranges lose", "> 0.1", lost, met=lost > 0.1))
        kind = chosen.rung.kind
        rows.append(
            row(f"hostile, {runtime}: recovered by", "no training", kind, met=kind != "qat")
        )
    return rows


def agreements(name: str, found: Found) -> Rows:
    """Between each two runtimes, on the validation split."""
    rows: Rows = []
    for one, other in combinations(found.delivered, 2):
        outputs = [found.delivered[each].made.seen[each].outputs for each in (one, other)]
        value = agreement(*outputs)
        rows.append(row(f"{name}: {one} and {other} agree", ">= 0.99", value, met=value >= 0.99))
    return rows


def speed(name: str, runtime: str, found: Found, session: Session) -> Rows:
    """Against the native tool's best, and against float32."""
    seen, own = found.delivered[runtime].made.seen[runtime], found.natives[runtime].seen
    ratio = session.compare(DENSE, UNIFIED).latency["p50"]
    told = f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
    slower = ratio.above
    rows = [row(f"{name}, {runtime}: p50, times float32's", "not slower", told, met=not slower)]
    if runtime not in own:
        why = found.natives[runtime].failures.get(runtime, "")
        return [*rows, row(f"{name}, {runtime}: the native tool", "told", why, met=True)]
    ratio = session.compare(NATIVE, UNIFIED).latency["p50"]
    told = f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
    lower = f"{name}, {runtime}: p50, times the native tool's, lower bound"
    rows.append(row(lower, "<= 1.05", told, met=ratio.low <= 1.05))
    gained = seen.scores.metrics["accuracy"] - own[runtime].scores.metrics["accuracy"]
    title = f"{name}, {runtime}: accuracy above the native tool's"
    return [*rows, row(title, ">= -0.001", gained, met=gained >= -0.001)]


def memory_row(few: int, many: int) -> dict[str, object]:
    """How much more calibrating with many samples takes at its peak than with few."""
    with tempfile.TemporaryDirectory() as folder:
        share = grows_by(few, many, Path(folder))
    name = f"calibration: peak memory with {many:,} samples over that with {few}"
    return row(name, "<= 1.10", share, met=share <= 1.10)


def row(name: str, target: str, observed: object, *, met: bool) -> dict[str, object]:
    """A line of the document."""
    return {"name": name, "target": target, "observed": observed, "met": met}


def markdown(rows: Rows) -> str:
    """The rows as a table."""
    lines = ["| what | target | observed | met |", "|---|---|---|---|"]
    for one in rows:
        value = one["observed"]
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        lines.append(f"| {one['name']} | {one['target']} | {shown} | {one['met']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
