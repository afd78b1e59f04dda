"""A report as a run of digits makes it, with invented samples."""

import hashlib

import numpy as np
import pytest

from pipeline.report.document import Report
from targets.measurement import Measurement, MemoryPhases, ProcessSamples

RUNTIMES = {"tflite": (0.96, 0.33), "openvino": (0.42, 0.155), "onnxruntime": (0.71, 0.262)}
GROUPS = [
    *[("stem.weight", 24, 32), ("body.0.narrow.weight", 40, 64), ("body.0.wide.weight", 48, 96)],
    *[("body.1.depthwise.weight", 56, 96), ("body.1.branch_a.weight", 16, 64)],
    *[("body.2.residual.projection.weight", 72, 128), ("head.weight", 64, 128)],
]
SHA = hashlib.sha256(b"x").hexdigest()


def process(median_ms: float, seed: int) -> ProcessSamples:
    rng = np.random.default_rng(seed)
    shifted = median_ms * (1 + rng.normal(0, 0.012))
    samples = shifted * (1 + rng.gamma(1.5, 0.012, 400)) + (rng.random(400) < 0.02) * 0.1
    return ProcessSamples(tuple(int(ms * 1e6) for ms in samples), 3_000_000, 900_000, 100, 100, 60)


def measured(runtime: str, median_ms: float, peak_mb: float, seed: int) -> Measurement:
    return Measurement(
        artifact_sha256=SHA,
        runtime=runtime,
        processes=tuple(process(median_ms, seed + index) for index in range(5)),
        memory=tuple(MemoryPhases(30, 31, 32, 30 + int(peak_mb * 1e6)) for _ in range(5)),
        provenance="measured-on-device",
        conditions={
            "cpu": "AMD EPYC (2 of 2 cores allowed)",
            "threads": "1",
            "governor": "unavailable: no cpufreq in this machine",
            "runtime_version": {"tflite": "2.3.0", "openvino": "2026.4.0"}.get(runtime, "1.31.0"),
        },
    )


def row(name: str, runtime: str, measurement: Measurement, size: int, final: bool) -> dict:
    scores = {str(digit): 0.97 + 0.003 * digit for digit in range(10)}
    loss = {"8": 0.031, "3": 0.012, "1": 0.008, "5": -0.006} if final else {}
    scores = {name: round(min(1.0, score - loss.get(name, 0)), 4) for name, score in scores.items()}
    return {
        "name": name,
        "runtime": runtime,
        "artifact": {
            "path": f"artifacts/{name}.{runtime}",
            "format": runtime,
            "sha256": SHA,
            "size_bytes": size,
        },
        "metrics": {"accuracy": 0.9844 - 0.0036 * final},
        "per_class": scores,
        "measurement": {
            **measurement.summary(),
            "samples_path": f"samples/{name}-{runtime}.json",
        },
    }


def verdict(dense: Measurement, final: Measurement) -> dict:
    def median(values: list[float]) -> float:
        return sorted(values)[len(values) // 2]

    p95, budget = final.latency_ms(0.95), 0.4 * median(dense.latency_ms(0.95))
    lines = [
        ("latency_ms.p95", budget, median(p95), max(p95), "40% of dense"),
        ("peak_memory_mb", 2.73, 2.12, 2.14, "130% of dense"),
        ("size_kb", 148.2, 61.7, 61.7, "30% of dense"),
        ("metric.max_drop", 0.01, 0.0036, 0.0036, "0.01"),
        ("metric.max_class_drop", 0.04, 0.031, 0.031, "0.04"),
    ]
    keys = ("limit", "budget", "observed", "bound", "stated")
    judged = [dict(zip(keys, line, strict=True)) for line in lines]
    for line in judged:
        met = line["bound"] <= line["budget"]
        line.update(status="PASS" if met else "FAIL", reason="within the limit" if met else "over")
    worst = "PASS" if all(line["status"] == "PASS" for line in judged) else "FAIL"
    return {"status": worst, "lines": judged}


TRAINING = {
    "asked": "2 minutes",
    "epochs": 4,
    "batches": 124,
    "seconds": 119.6,
    "precision": "fp32",
    "distilled": "outputs, temperature 4, weight 0.9",
    "rates": [{"batch": 31 * n + 1, "learning_rate": 2e-3 - 5e-4 * n} for n in range(4)],
}


def pair(runtime: str, dense_ms: float, final_ms: float) -> tuple[dict, dict, dict]:
    dense = measured(runtime, dense_ms, 2.1, 1)
    final = measured(runtime, final_ms, 2.12, 50)
    before = row("dense", runtime, dense, 494_120, False)
    after = row("pruned-int8", runtime, final, 61_704, True) | {
        "verdict": verdict(dense, final),
        "selected": True,
        "lineage": ["dense", "prune: 38% of MACs kept", "recover: 4 epochs, distilled", "int8"],
        "channels": [dict(zip(("name", "kept", "size"), group, strict=True)) for group in GROUPS],
        "pinned": [{"name": "classifier.weight", "reason": "the model's output"}],
        "executed": [
            {"type": "Conv", "dtype": "int8", "count": 11},
            {"type": "Add", "dtype": "int8", "count": 3},
            {"type": "Softmax", "dtype": "float32", "count": 1},
        ],
        "float_operators": [{"name": "softmax", "reason": "no int8 kernel"}],
        "agreement": 0.9981,
        "history": [
            {"epoch": index + 1, "loss": 2.1 / (index + 1), "metric": score, "best": index == 2}
            for index, score in enumerate((0.941, 0.972, 0.9812, 0.9808))
        ],
        "training": TRAINING,
    }
    samples = {
        f"samples/{name}-{runtime}.json": one
        for name, one in (("dense", dense), ("pruned-int8", final))
    }
    return before, after, samples


def charged(runtime: str, limit: str, budget: float, **values: object) -> dict:
    names = ("charged", "predicted", "observed", "bound", "residual", "corrected")
    return {"runtime": runtime, "limit": limit, "budget": budget, **dict.fromkeys(names), **values}


def tries(runtime: str) -> list[dict]:
    shared = {"runtimes": [runtime], "meets": False}
    p95 = (runtime, "latency_ms.p95", 0.17)
    return [
        {**shared, "plan": "", "macs": 1.0, "divergence": 0.0, "limits": [
            charged(*p95, predicted=0.24, observed=0.26, bound=0.27, residual=0.083,
                    corrected=0.149)]},
        {**shared, "plan": "3f2a", "macs": 0.41, "divergence": 0.31, "limits": [
            charged(*p95, charged=0.149, predicted=0.148, observed=0.171, bound=0.174,
                    residual=0.155, corrected=0.139),
            charged(runtime, "size_kb", 70.0, charged=70.0, predicted=61.2, observed=61.704,
                    bound=61.704, residual=0.008, corrected=69.5)]},
        {**shared, "plan": "9bc1", "macs": 0.38, "divergence": 0.36, "meets": True, "chosen": True,
         "blocks": ["body.2"], "limits": [
            charged(*p95, charged=0.139, predicted=0.138, observed=0.160, bound=0.164,
                    residual=0.159, corrected=0.14)]},
    ]  # fmt: skip


def front(runtime: str) -> list[dict]:
    ms = RUNTIMES[runtime][1]
    return [
        {
            "runtime": runtime,
            "limit": "latency_ms.p95",
            "stated": f"{100 - 20 * place}% of dense",
            "budget": ms * (2 - 0.4 * place),
            "observed": ms * (1.9 - 0.38 * place),
            "name": f"at-{place}",
            "latency_ms": ms * (1.8 - 0.36 * place + 0.5 * (place == 3)),
            "size_bytes": 80_000 - 9_000 * place,
            "metric": 0.985 - 0.004 * place**2,
            "status": "FAIL" if place == 4 else "PASS",
            "dominated": place == 3,
            "selected": place == 2,
        }
        for place in range(5)
    ]


def gate(runtime: str) -> dict:
    def against(parent: str, middle: float, spread: float) -> dict:
        ratio = {"estimate": middle, "low": middle - spread, "high": middle + spread}
        verdict = "faster" if middle + spread < 1 else "not told apart"
        return {"against": parent, "ratio": {"p50": ratio, "p95": ratio}, "verdict": verdict}

    improves = runtime != "openvino"
    return {
        "runtime": runtime,
        "candidate": "pruned-int8",
        "delivered": "pruned-int8",
        "improves": improves,
        "told": "pruned-int8: found so",
        "comparisons": [
            against("dense", 0.36, 0.02), against("float32", 0.62 if improves else 0.98, 0.04)
        ],
    }  # fmt: skip


@pytest.fixture(scope="session")
def samples() -> dict[str, Measurement]:
    return {path: one for name, ms in RUNTIMES.items() for path, one in pair(name, *ms)[2].items()}


@pytest.fixture(scope="session")
def document() -> dict:
    pairs = [pair(name, *ms) for name, ms in RUNTIMES.items()]
    unpruned = pair("openvino", 0.42, 0.22)[1] | {"name": "int8", "selected": False}
    return {
        "recipe": "digits",
        "device": "host",
        "verdict": "PASS",
        "baseline": [dense for dense, _, _ in pairs],
        "candidates": [*[final for _, final, _ in pairs], unpruned],
        "settings": {"version": 1, "task": "task.py", "runtimes": list(RUNTIMES)},
        "tools": {"torch": "2.13.0", "onnxruntime": "1.31.0"},
        "metric": {"name": "accuracy"},
        "search": [one for name in RUNTIMES for one in tries(name)],
        "front": [one for name in RUNTIMES for one in front(name)],
        "gate": [gate(name) for name in RUNTIMES],
        "package": {
            "tflite": {"path": "packages/digits-tflite.tar.gz", "sha256": SHA, "size_bytes": 81234}
        },
    }


@pytest.fixture
def report(document: dict) -> Report:
    return Report.model_validate(document)
