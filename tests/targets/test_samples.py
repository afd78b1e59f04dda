"""JSON of samples is read strictly: what a device tells may be anything."""

import json
from dataclasses import replace
from typing import Any

import pytest

from targets.errors import ArtifactError
from targets.measurement import Measurement, MemoryPhases, ProcessSamples
from targets.samples import measurement_from_json, memory_from_json, process_from_json

STEADY = ProcessSamples((100_000,) * 300, 5_000_000, 300_000, 1000, 1000, 30)
MEMORY = MemoryPhases(20_000_000, 21_000_000, 25_000_000, 24_000_000)


def document() -> dict[str, Any]:
    """As it is read from a file."""
    processes = (STEADY, replace(STEADY, warmup_iterations=31, waiting_share=0.01))
    told = Measurement("ab" * 32, "tflite", processes, (MEMORY,), "emulated", {"cpu": "x"})
    found: dict[str, Any] = json.loads(json.dumps(told.to_json()))
    assert measurement_from_json(found) == told
    return found


def test_what_an_older_version_wrote_is_read() -> None:
    older = document()
    del older["energy"], older["processes"][0]["waiting_share"], older["memory"][0]["pss_bytes"]
    assert measurement_from_json(older) == measurement_from_json(document())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latency_ns", []),
        ("latency_ns", [1.5]),
        ("latency_ns", ["1"]),
        ("latency_ns", [10**400]),
        ("load_ns", 0),
        ("load_ns", True),
    ],
)
def test_samples_that_are_none_are_refused(key: str, value: object) -> None:
    with pytest.raises(ArtifactError, match="whole nanoseconds"):
        process_from_json({**document()["processes"][0], key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latency_ns", 5),
        ("warmup_iterations", "y"),
        ("conditions", None),
        ("conditions", {"throttling": 1}),
        ("waiting_share", "0.1"),
        ("waiting_share", float("nan")),
    ],
)
def test_a_process_of_wrong_types_is_refused(key: str, value: object) -> None:
    with pytest.raises(ArtifactError, match=f"key '{key}' is .*; allowed: "):
        process_from_json({**document()["processes"][0], key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("infer_bytes", "y"), ("import_bytes", 1.5), ("pss_bytes", True), ("reason", 5)],
)
def test_memory_of_wrong_types_is_refused(key: str, value: object) -> None:
    with pytest.raises(ArtifactError, match=f"key '{key}' is .*; allowed: .* or null"):
        memory_from_json({**document()["memory"][0], key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("conditions", None), ("processes", {}), ("memory", None), ("energy", 5), ("runtime", None)],
)
def test_a_measurement_of_wrong_types_is_refused(key: str, value: object) -> None:
    with pytest.raises(ArtifactError, match=f"key '{key}' is .*; allowed: "):
        measurement_from_json({**document(), key: value})


def test_keys_are_strict() -> None:
    with pytest.raises(ArtifactError, match="'extra' is unknown"):
        measurement_from_json({**document(), "extra": 1})
    less = document()
    del less["provenance"]
    with pytest.raises(ArtifactError, match="'provenance' is missing"):
        measurement_from_json(less)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ArtifactError, match="expected an object, found list"):
        measurement_from_json([])
