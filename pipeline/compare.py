"""`edgesmith compare`: two model files on a device, in turns of one session, told by intervals.

The files may be of any format that the device has a runtime for, and of two different ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline.check import described, document
from pipeline.console import Console
from pipeline.given import NOTHING, Given
from pipeline.printing import print_json
from pipeline.report.gate import comparison_row
from pipeline.terminal import Terminal
from targets import comparison
from targets.artifact import TensorSpec
from targets.comparison import Comparison, Session
from targets.errors import UsageError
from targets.measurement import Measurement, TimingRule, median, unavailable
from targets.ratios import CONFIDENCE, Ratio
from targets.target import Description, Target
from targets.trial import Seat

CODES = {"faster": 0, "slower": 3}
UNDECIDED = 4
A, B = "A", "B"


@dataclass(frozen=True)
class Sides:
    """Two model files as the device's runtimes see them."""

    a: Path
    b: Path
    device: str
    descriptions: tuple[Description, Description]
    targets: tuple[Target, Target]

    @property
    def seats(self) -> dict[str, Seat]:
        """Both artifacts with the targets that run them."""
        pairs = zip(self.targets, self.descriptions, strict=True)
        return {
            name: Seat(target, found.artifact)
            for name, (target, found) in zip((A, B), pairs, strict=True)
        }

    def differences(self) -> list[str]:
        """How the interfaces differ, in words; where they do, other work may be compared."""
        a, b = (one.artifact for one in self.descriptions)
        told = [
            _difference("inputs", a.inputs, b.inputs),
            _difference("outputs", a.outputs, b.outputs),
        ]
        return [one for one in told if one]


def compare(
    a: Path | str, b: Path | str, *, device: str = "host", rounds: int | None = None
) -> dict[str, Any]:
    """Tells whether model b is faster than model a, as `edgesmith compare --json` does.

    Args:
        a: a .tflite, .onnx or .xml file.
        b: another.
        device: a device profile's name.
        rounds: fresh processes of each file, at least 6; None: as many as the timing rule has.

    Returns:
        The document: `ratio` is b / a by quantile, `verdict` what that says of b.

    Raises:
        ArtifactError: a file is missing or no model.
        UsageError: both are the same model, there are too few rounds, or the device is unknown.
    """
    with Console(quiet=True) as console:
        return _compared(Path(a), Path(b), device, rounds, console)


def show(
    a: Path, b: Path, device: str, rounds: int | None, as_json: bool, given: Given = NOTHING
) -> int:
    """`edgesmith compare`: prints the comparison; 0 where b is faster, 3 where slower, else 4."""
    with Console() as console:
        found = _compared(a, b, device, rounds, console, given)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return CODES.get(found["verdict"], UNDECIDED)


def _compared(
    a: Path, b: Path, device: str, rounds: int | None, console: Console, given: Given = NOTHING
) -> dict[str, Any]:
    rule = comparison.rule_of(TimingRule(), rounds)
    if a.resolve() == b.resolve():
        raise UsageError(f"{a} is given twice; comparing takes two different models")
    (target_a, of_a), (target_b, of_b) = (described(one, device, console, given) for one in (a, b))
    if of_a.artifact.sha256 == of_b.artifact.sha256:
        raise UsageError(f"{a} and {b} hold the same bytes; comparing takes two different models")
    sides = Sides(a, b, device, (of_a, of_b), (target_a, target_b))
    for difference in sides.differences():
        console.remark(f"note: {difference}")
    console.step(f"comparing {b.name} (B) with {a.name} (A) on {device}, {rule.processes} rounds")
    session = comparison.hold(sides.seats, rule, console.progress)
    return _document(sides, session, rule.processes)


def _document(sides: Sides, session: Session, rounds: int) -> dict[str, Any]:
    found = session.compare(A, B)
    row = comparison_row("a", found).model_dump(mode="json")
    of_a, of_b = sides.descriptions
    measured = session.measured
    return {
        "schema_version": 1,
        "device": sides.device,
        "rounds": rounds,
        "confidence": CONFIDENCE,
        "a": document(sides.a, sides.device, of_a, measured[A]),
        "b": document(sides.b, sides.device, of_b, measured[B]),
        "ratio": row["ratio"],
        "size_bytes": _sizes(of_a.artifact.size_bytes, of_b.artifact.size_bytes),
        "peak_memory_mb": _memory(measured[A], measured[B]),
        "verdict": found.verdict,
        "reason": told(found),
        "invalid": list(session.invalid),
        "notes": sides.differences(),
    }


def told(found: Comparison) -> str:
    """A comparison in words: what is known of b, and how sure."""
    if found.invalid_reason is not None:
        return f"the session can't be judged: {found.invalid_reason}"
    middle, tail = found.latency["p50"], found.latency["p95"]
    shown = f"p50 {ratio_told(middle)}, p95 {ratio_told(tail)}"
    if found.verdict != "not told apart":
        return f"with {CONFIDENCE:.0%} confidence, {shown}"
    if middle.below or middle.above:
        return f"p50 and p95 say the opposite of each other: {shown}"
    return f"the interval of p50 holds 1: {shown}"


def ratio_told(ratio: Ratio) -> str:
    """A ratio with its interval, as `0.42 times (0.40 to 0.45)`."""
    return f"{ratio.estimate:.3g} times ({ratio.low:.3g} to {ratio.high:.3g})"


def _difference(what: str, a: Sequence[TensorSpec], b: Sequence[TensorSpec]) -> str:
    """Which tensors differ in number, shape or kind. Their names are each format's own."""
    of_a, of_b = (", ".join(f"{_kind(one)} {list(one.shape)}" for one in side) for side in (a, b))
    return "" if of_a == of_b else f"the {what} differ: A has {of_a}; B has {of_b}"


def _kind(spec: TensorSpec) -> str:
    """Quantized numbers stand for real ones, as floats of any width do."""
    real = spec.quantization is not None or spec.dtype.startswith(("float", "bfloat"))
    return "numbers" if real else spec.dtype


def _sizes(a: int, b: int) -> dict[str, float]:
    return {"a": a, "b": b, "ratio": b / a}


def _memory(a: Measurement, b: Measurement) -> dict[str, float | str]:
    """Medians over processes in MB, and their ratio where both could be read."""
    peaks = [one.peak_memory_mb() for one in (a, b)]
    found = [
        median(seen) if seen else unavailable(one.memory_reason())
        for seen, one in zip(peaks, (a, b), strict=True)
    ]
    x, y = found
    if isinstance(x, str) or isinstance(y, str) or x <= 0:
        return {"a": x, "b": y, "ratio": unavailable("a peak memory could not be read")}
    return {"a": x, "b": y, "ratio": y / x}


def _print(found: dict[str, Any]) -> None:
    shown = Table("", "A", "B", "B / A", "95% interval", box=None, pad_edge=False)
    for name, ratio in found["ratio"].items():
        times = [found[side]["measurement"]["latency_ms"][name] for side in ("a", "b")]
        interval = f"{ratio['low']:.3f} to {ratio['high']:.3f}"
        shown.add_row(
            f"latency {name}, ms", *map(_figure, times), _figure(ratio["estimate"]), interval
        )
    memory, size = found["peak_memory_mb"], found["size_bytes"]
    shown.add_row("peak memory, MB", *map(_figure, memory.values()))
    kilobytes = (size["a"] / 1000, size["b"] / 1000)
    shown.add_row("size, kB", *map(_figure, kilobytes), _figure(size["ratio"]))
    console = Terminal()
    console.print(shown)
    for note in (*found["notes"], *(f"a sitting was invalid: {one}" for one in found["invalid"])):
        console.print(f"note: {note}")
    console.print(f"B is {found['verdict']}: {found['reason']}")


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
