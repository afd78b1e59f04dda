"""The headline: dense ResNet-20 in float32 against the final int8 artifact, at a point or less."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from budget_desk import RECIPE, Asked, artifact_accuracy
from budget_store import Fact, Key, Row, Store, row, told

from pipeline.doors import optimize
from pipeline.report.document import Report
from pipeline.report.document import Row as ReportRow
from targets import device as devices
from targets import target as targets

FLOORS = {"tflite": 2.5, "openvino": 3.5, "onnxruntime": 2.5}
AIM = 4.0
MOST_LOST = 1.0  # points of accuracy on the test set
EPOCHS, QUICK_EPOCHS = 15, 1
HEADROOM = 0.98


def shares(runtime: str) -> Sequence[int]:
    """The latency to plan for, in percent of dense: the aim, half the way to the floor, the
    floor."""
    floor = FLOORS[runtime]
    return [round(100 * HEADROOM / speed) for speed in (AIM, (AIM + floor) / 2, floor)]


def overrides(data: Path, share: int, epochs: int) -> list[str]:
    """What is set over the recipe. It is decided on images kept back from training, and the test
    set is for the figure alone."""
    recover = (
        f"{{epochs: {epochs}, learning_rate: 0.005, distill: {{temperature: 4, weight: 0.9}}}}"
    )
    return [
        f"params.data={data}",
        f"budget={{latency_ms: {{p50: {share}% of dense}}}}",
        f"steps.1.recover={recover}",
    ]


def command(runtime: str, share: int, epochs: int) -> str:
    """What prints the same by hand."""
    settings = " ".join(f"--set '{one}'" for one in overrides(Path("DATA"), share, epochs))
    return f"edgesmith run recipes/cifar10 --runtime {runtime} {settings}"


def collect(asked: Asked, store: Store) -> None:
    """Runs for each runtime: to the aim, and where that costs too much, nearer to the floor."""
    for runtime in asked.runtimes:
        for share in shares(runtime)[-1:] if asked.quick else shares(runtime):
            key = _key(asked, runtime, share)
            fact = store.find(key, partial(_run, asked, runtime, share))
            if fact["lost"] <= MOST_LOST:
                break


def _key(asked: Asked, runtime: str, share: int) -> Key:
    return ("headline", runtime, share, QUICK_EPOCHS if asked.quick else EPOCHS)


def _run(asked: Asked, runtime: str, share: int) -> Fact:
    folder = asked.out / f"headline-{runtime}"
    epochs = QUICK_EPOCHS if asked.quick else EPOCHS
    settings = overrides(asked.data, share, epochs)
    report = optimize(RECIPE, out=folder, runtimes=(runtime,), overrides=settings)
    dense, final = report.dense()[runtime], report.selected()[runtime]
    before, after = (_score(folder, runtime, one, asked.data) for one in (dense, final))
    return {
        "p50": _speed(dense, final, "p50"),
        "p95": _speed(dense, final, "p95"),
        "dense_ms": dense.measurement.latency_ms.p50,
        "final_ms": final.measurement.latency_ms.p50,
        "dense_accuracy": before,
        "accuracy": after,
        "lost": round(before - after, 2),
        "size_kb": [one.artifact.size_bytes / 1000 for one in (dense, final)],
        "improves": _improves(report, runtime),
        "delivered": final.name,
    }


def _speed(dense: ReportRow, final: ReportRow, quantile: str) -> float:
    times = [getattr(one.measurement.latency_ms, quantile) for one in (dense, final)]
    return round(float(times[0]) / float(times[1]), 2)


def _improves(report: Report, runtime: str) -> bool:
    return any(one.improves for one in report.gate if one.runtime == runtime)


def _score(folder: Path, runtime: str, one: ReportRow, data: Path) -> float:
    target = targets.find(devices.load("host"), runtime)
    artifact = target.describe(folder / one.artifact.path).artifact
    return round(artifact_accuracy(target, artifact, data), 2)


def rows(asked: Asked, store: Store) -> Iterator[Row]:
    """The fastest of each runtime that lost a point or less; the floor, and the aim beside it."""
    for runtime in asked.runtimes:
        known = store.under("headline", runtime)
        found = {(int(key[2]), int(key[3])): fact for key, fact in known.items()}
        if not found:
            continue
        for (share, epochs), fact in found.items():
            yield told(command(runtime, share, epochs), fact)
        kept = [one for one in found.values() if one["lost"] <= MOST_LOST]
        speed = max((one["p50"] for one in kept), default=None)
        floor = FLOORS[runtime]
        name = f"{runtime}: times as fast as dense fp32 at ≤{MOST_LOST:g} point"
        yield row(f"{name}: floor", f">= {floor}", speed, speed is not None and speed >= floor)
        yield row(f"{name}: aim", f">= {AIM}", speed, speed is not None and speed >= AIM)
