"""Reads what the agent, or a file of samples, tells in JSON: nothing in it is taken on trust."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from targets.energy import LARGEST, energy_from_json, is_count
from targets.errors import ArtifactError
from targets.measurement import ROLES, ExecutedOp, Measurement, MemoryPhases, ProcessSamples

_SINGLE_TIMES = ("load_ns", "first_inference_ns", "reference_ns_before", "reference_ns_after")
_BYTES = tuple(each.name for each in fields(MemoryPhases) if each.name.endswith("_bytes"))


def measurement_from_json(document: Mapping[str, Any]) -> Measurement:
    """Reads what `Measurement.to_json` wrote.

    Raises ArtifactError naming the first key that is missing, unknown or of a wrong type.
    """
    values = _checked(Measurement, document, {"energy": ()})
    _require(values, ("artifact_sha256", "runtime", "provenance"), _is_text, "text")
    _require(values, ("conditions",), _is_texts, "an object of texts")
    _require(values, ("processes", "memory", "energy"), _is_list, "a list")
    values["energy"] = tuple(energy_from_json(each) for each in values["energy"])
    values["processes"] = tuple(process_from_json(each) for each in values["processes"])
    values["memory"] = tuple(memory_from_json(each) for each in values["memory"])
    return Measurement(**values)


def process_from_json(document: Mapping[str, Any]) -> ProcessSamples:
    """One process's samples.

    Raises ArtifactError where a key is wrong, or a time is not a positive integer.
    """
    values = _checked(ProcessSamples, document, {"waiting_share": None})
    _require(values, ("latency_ns",), _is_list, "a list")
    _require(values, ("warmup_iterations",), is_count, "a whole number")
    _require(values, ("conditions",), _is_texts, "an object of texts")
    _require(values, ("waiting_share",), _is_share, "a number or null")
    values["latency_ns"] = tuple(values["latency_ns"])
    times = values["latency_ns"] + tuple(values[name] for name in _SINGLE_TIMES)
    if not values["latency_ns"] or not all(is_count(each) and each > 0 for each in times):
        raise ArtifactError("samples: times must be whole nanoseconds above 0, at least one sample")
    return ProcessSamples(**values)


def memory_from_json(document: Mapping[str, Any]) -> MemoryPhases:
    """One process's memory phases. Raises ArtifactError where a key is wrong."""
    values = _checked(MemoryPhases, document, {"pss_bytes": None, "cgroup_peak_bytes": None})
    told = [name for name in _BYTES if values[name] is not None]
    _require(values, told, is_count, "a whole number or null")
    if values["reason"] is not None:
        _require(values, ("reason",), _is_text, "text or null")
    return MemoryPhases(**values)


def executed_from_json(document: Mapping[str, Any]) -> ExecutedOp:
    """One operator of a description. Raises ArtifactError where a key is wrong."""
    values = _checked(ExecutedOp, document, {"role": "computes", "macs": 0, "partition": None})
    _require(values, ("name", "type", "dtype"), _is_text, "text")
    _require(values, ("role",), ROLES.__contains__, f"one of {', '.join(ROLES)}")
    told = [name for name in ("macs", "partition") if values[name] is not None]
    _require(values, told, _is_whole, "a whole number or null")
    return ExecutedOp(**values)


def _checked(kind: type, document: Mapping[str, Any], absent: Mapping[str, Any]) -> dict[str, Any]:
    """The document's values, with those that older ones lack."""
    if not isinstance(document, Mapping):
        raise ArtifactError(f"samples: expected an object, found {type(document).__name__}")
    values = {**absent, **document}
    known = {each.name for each in fields(kind)}
    for key in sorted(known.symmetric_difference(values)):
        trouble = "missing" if key in known else "unknown"
        raise ArtifactError(f"samples: key '{key}' is {trouble} in {kind.__name__}")
    return values


def _require(
    values: Mapping[str, Any], names: Iterable[str], holds: Callable[[Any], bool], wanted: str
) -> None:
    for name in names:
        if not holds(values[name]):
            found = f"{values[name]!r}"[:60]
            raise ArtifactError(f"samples: key '{name}' is {found}; allowed: {wanted}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, value.values()))


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_whole(value: object) -> bool:
    return type(value) is int and abs(value) <= LARGEST


def _is_share(value: object) -> bool:
    if value is None:
        return True
    return type(value) is not bool and isinstance(value, int | float) and abs(value) <= LARGEST
