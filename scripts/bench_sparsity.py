"""What weight sparsity buys on recipes/digits, dense against sparse: latency and compressed size.

Sparse weights keep their shapes, so a runtime is faster only if it skips zeroes, and a file is
smaller only once it is compressed. Half the MACs removed by channels stand beside it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

from pipeline import evaluate, task
from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, apply, masks_of, plan, plan_weights
from pipeline.quantize import quantize
from pipeline.recipe import Distill, Quantize, Recover
from pipeline.recover import recover
from pipeline.task import Task
from targets import device, trial
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, Artifact, files_of, gzipped_bytes
from targets.measurement import Measurement, TimingRule, median
from targets.target import find

DIGITS = Path(__file__).parent.parent / "recipes" / "digits"
RUNTIMES = ("tflite", "openvino", "onnxruntime")
PRECISIONS = ("fp32", "int8")
DENSE = "dense"
Planned = Callable[[Graph], PrunePlan]
VARIANTS: Mapping[str, Planned] = {
    "80% zero": partial(plan_weights, sparsity=0.8),
    "90% zero, global": partial(plan_weights, sparsity=0.9, scope="global"),
    "2:4": partial(plan_weights, pattern="2:4"),
    "4:8": partial(plan_weights, pattern="4:8"),
    "half the MACs by channels": partial(plan, macs=0.5, multiple=8),
}
QUICK = ("80% zero", "2:4")
RECOVERY = Recover(epochs=3, distill=Distill(temperature=4, weight=0.9))
RULE = TimingRule(processes=3, min_seconds=0.5)
"""A dozen artifacts share each sitting, in turns: fewer processes of each than for a verdict."""


@dataclass(frozen=True)
class Seen:
    """One artifact beside the others: its files' bytes, gzipped too, and its score and speed."""

    runtime: str
    precision: str
    variant: str
    size_bytes: int
    gzip_bytes: int
    accuracy: float
    p50_ms: float
    invalid: str | None


def main() -> int:
    """Measures all variants and prints a table, or rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help="two variants, no training, few runs")
    asked = parser.parse_args()
    digits = task.load(DIGITS, "task.py", {}, ("train", "calibration", "validation"))
    with tempfile.TemporaryDirectory() as folder:
        seen = list(measured(digits, Path(folder), asked.quick))
    rows = [row for one in seen if one.variant != DENSE for row in targets(one, seen)]
    print(json.dumps(rows, indent=2) if asked.json else markdown(seen))
    return 0 if all(row["met"] for row in rows) else 3


def targets(one: Seen, seen: list[Seen]) -> list[dict[str, object]]:
    """What is promised of a sparse artifact, smaller when compressed; and what is only told."""
    dense = beside(one, seen)
    name = f"{one.runtime} {one.precision}, {one.variant}"
    smaller = one.gzip_bytes / dense.gzip_bytes
    told = [
        ("size, times dense's", one.size_bytes / dense.size_bytes),
        ("p50, times dense's", one.invalid or dense.invalid or one.p50_ms / dense.p50_ms),
        ("accuracy drop", dense.accuracy - one.accuracy),
    ]
    rows: list[dict[str, object]] = [
        {"name": f"{name}: gzipped size, times dense's", "target": "< 1", "observed": smaller,
         "met": smaller < 1}
    ]  # fmt: skip
    rows += [
        {"name": f"{name}: {what}", "target": "told", "observed": value, "met": True}
        for what, value in told
    ]
    return rows


def beside(one: Seen, seen: list[Seen]) -> Seen:
    """The dense artifact of the same runtime and precision."""
    same = [each for each in seen if (each.runtime, each.precision) == (one.runtime, one.precision)]
    return next(each for each in same if each.variant == DENSE)


def markdown(seen: list[Seen]) -> str:
    """A line per artifact; in brackets times the dense one of the same runtime and precision."""
    lines = ["| runtime | precision | weights | size kB | gzipped kB | p50 ms | accuracy |"]
    lines.append("|---" * 7 + "|")
    for one in seen:
        dense = beside(one, seen)
        zipped = f"{one.gzip_bytes / 1e3:.1f} ({one.gzip_bytes / dense.gzip_bytes:.2f}x)"
        against = "" if dense.invalid else f" ({one.p50_ms / dense.p50_ms:.2f}x)"
        time = one.invalid or f"{one.p50_ms:.3f}{against}"
        cells = (one.runtime, one.precision, one.variant, f"{one.size_bytes / 1e3:.1f}", zipped)
        lines.append(f"| {' | '.join((*cells, time, f'{one.accuracy:.4f}'))} |")
    return "\n".join(lines)


def measured(digits: Task, folder: Path, quick: bool) -> Iterator[Seen]:
    """Every variant on every runtime; those of one runtime in turns, in one sitting."""
    graphs = dict(variants(digits, quick))
    rule = TimingRule.quick() if quick else RULE
    for runtime in RUNTIMES:
        target = find(device.load("host"), runtime)
        artifacts: dict[str, Artifact] = {}
        for name, graph in graphs.items():
            for precision in PRECISIONS:
                path = exported(digits, graph, runtime, precision, folder / runtime / name)
                artifacts[f"{name}|{precision}"] = target.describe(path).artifact
        told = partial(progress, runtime)
        times = trial.sitting(target, artifacts, replace(rule, memory_processes=0), told)
        for name, artifact in artifacts.items():
            scores, _ = evaluate.score_artifact(target, artifact, digits)
            yield summary(artifact, name, scores.metrics["accuracy"], times[name])


def variants(digits: Task, quick: bool) -> Iterator[tuple[str, Graph]]:
    """The dense graph, and the others recovered alike (not at all where it must be quick)."""
    dense = trace(digits.build(), digits.example_inputs())
    yield DENSE, dense
    for name, decide in VARIANTS.items():
        if quick and name not in QUICK:
            continue
        made = decide(dense)
        graph = apply(dense, made)
        if not quick:
            masks = masks_of(made.weights)
            graph = recover(graph, dense, digits, RECOVERY, partial(progress, name), masks).graph
        yield name, graph


def exported(digits: Task, graph: Graph, runtime: str, precision: str, folder: Path) -> Path:
    """The graph's file for a runtime, in fp32 or int8."""
    exporter = import_module(f"targets.{runtime}.export")
    suffix = SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]
    path = folder / precision / f"model{suffix}"
    path.parent.mkdir(parents=True)
    if precision == "fp32":
        exporter.export(graph.module, digits.example_inputs(), path, precision=precision)
        return path
    calibration = (inputs for inputs, _ in digits.batches("calibration"))
    made = quantize(graph, calibration, Quantize())
    module = made.folded if exporter.FOLDED else made.unfolded
    activations = device.load("host").activations_for(runtime)
    exporter.export(
        module, digits.example_inputs(), path, precision=precision, activations=activations
    )
    return path


def summary(artifact: Artifact, name: str, accuracy: float, times: Measurement) -> Seen:
    """What is told of one artifact."""
    variant, _, precision = name.partition("|")
    return Seen(
        runtime=artifact.runtime,
        precision=precision,
        variant=variant,
        size_bytes=artifact.size_bytes,
        gzip_bytes=gzipped_bytes(files_of(Path(artifact.path))),
        accuracy=accuracy,
        p50_ms=median(times.latency_ms(0.5)),
        invalid=times.invalid_reason(),
    )


def progress(what: str, message: str, fraction: float) -> None:
    """Told on stderr."""
    print(f"\r{what}: {message} {fraction:4.0%}\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
