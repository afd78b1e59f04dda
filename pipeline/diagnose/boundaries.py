"""Rules on what is lost where one kind of execution ends and another begins."""

from collections.abc import Iterator

from pipeline.diagnose.case import Case, counted
from pipeline.diagnose.cures import cure
from pipeline.diagnose.finding import Finding
from targets.execution import FLOATING

REGION = (
    "keep what stays float together in one region, and quantize its neighbours with it or not at "
    "all; feed a quantized model in its own type (quantize: {io: int8})"
)
HALF = "convert the model to float32, or quantize it: this runtime computes in float32 anyway"


def find(case: Case) -> Iterator[Finding]:
    """Operators outside the delegate, and changes of type."""
    yield from _outside(case)
    yield from _conversions(case)


def _outside(case: Case) -> Iterator[Finding]:
    """One finding per kind of operator and type that no partition runs."""
    outside = case.execution.outside if case.execution else ()
    parts = case.execution.partitions if case.execution else 0
    for kind, dtype in dict.fromkeys((one.type, one.dtype) for one in outside):
        names = [one.name for one in outside if (one.type, one.dtype) == (kind, dtype)]
        told = f"the delegate runs the rest in {parts} parts" if parts else "no delegate runs any"
        found = f"{counted([kind] * len(names))} in {dtype} outside the delegate; {told}"
        yield Finding("outside-partition", "warning", found, cure([kind]), tuple(names))


def _conversions(case: Case) -> Iterator[Finding]:
    """More changes of type than the model's own inputs and outputs ask for."""
    changing = [one for one in case.executed if one.role == "converts"]
    half = any(one.dtype == "float16" for one in changing)
    if len(changing) <= _due(case):
        return
    kinds = counted(one.type for one in changing)
    found = f"{len(changing)} operators only change a type: {kinds}"
    names = tuple(one.name for one in changing)
    yield Finding("conversions", "warning", found, HALF if half else REGION, names)


def _due(case: Case) -> int:
    """One for each input and output that is float, where the model computes on integers."""
    if not case.quantized or case.description is None:
        return 0
    artifact = case.description.artifact
    return sum(spec.dtype in FLOATING for spec in (*artifact.inputs, *artifact.outputs))
