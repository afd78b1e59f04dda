"""How the document's names and numbers are put to a person: labels, units, digits."""

import math
from dataclasses import dataclass

from pipeline.report.document import Line, Metric, Reading, Report, Row, Status, Unavailable

RUNTIMES = {"tflite": "TFLite", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
FRACTIONS = ("accuracy",)
"""Metrics between 0 and 1 that are read in percent."""

MINUS = "\N{MINUS SIGN}"
NO_READING = "n/a"
LIMITS = {
    "peak_memory_mb": ("Peak memory", "MB"),
    "size_kb": ("Size", "kB"),
    "energy_mj": ("Energy", "mJ"),
    "power_w": ("Power", "W"),
}
MEANING: dict[Status, str] = {
    "PASS": "every limit is met",
    "FAIL": "a limit is missed",
    "INCONCLUSIVE": "the samples do not decide a limit",
    "INVALID": "the measurement can't be trusted",
    "UNVERIFIED": "a limit was not measured on the device",
}


@dataclass(frozen=True)
class Figure:
    """A number as it is shown; `reason` says why there is none."""

    text: str
    unit: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.text}{'' if self.unit == '%' else ' '}{self.unit}".rstrip()


def digits(value: float, significant: int = 3) -> str:
    """The number to so many significant digits, never in exponents, with a true minus sign."""
    if value == 0:
        return "0"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 9)}f}".replace("-", MINUS)


def figure(reading: Reading, unit: str) -> Figure:
    """A reading with its unit."""
    if isinstance(reading, Unavailable):
        return Figure(NO_READING, reason=reading.unavailable)
    return Figure(digits(reading), unit)


def share(reading: Reading) -> Figure:
    """A share in percent."""
    if isinstance(reading, Unavailable):
        return Figure(NO_READING, reason=reading.unavailable)
    return Figure(f"{100 * reading:.1f}", "%")


def score(reading: Reading, name: str) -> Figure:
    """A metric's value: in percent where it is a fraction."""
    if isinstance(reading, Unavailable):
        return Figure(NO_READING, reason=reading.unavailable)
    if name in FRACTIONS:
        return Figure(f"{100 * reading:.2f}", "%")
    return Figure(digits(reading, 4))


def change(value: float, name: str, *, signed: bool = True) -> Figure:
    """A difference of metrics: in points where the metric is read in percent."""
    scaled, unit = (100 * value, "pt") if name in FRACTIONS else (value, "")
    if abs(scaled) < 0.005 and unit:
        return Figure("0.00", unit)
    text = f"{scaled:{'+' if signed else ''}.2f}" if unit else digits(scaled, 3)
    return Figure(text.replace("-", MINUS), unit)


def size(size_bytes: int) -> Figure:
    """A file's size in kB of 1,000 bytes."""
    return Figure(f"{size_bytes / 1000:,.1f}", "kB")


def runtime_name(runtime: str) -> str:
    """A runtime's own spelling of its name."""
    return RUNTIMES.get(runtime, runtime)


def limit_name(limit: str, metric: str) -> str:
    """A limit in words."""
    if limit.startswith("latency_ms."):
        return f"Latency {limit.removeprefix('latency_ms.')}"
    if limit == "metric.max_drop":
        return f"{metric.capitalize()} drop"
    if limit == "metric.max_class_drop":
        return "Worst class drop"
    return LIMITS.get(limit, (limit, ""))[0]


def in_words(text: str, metric: str) -> str:
    """A text whose words may be names of runtimes and limits, in words."""
    return " ".join(runtime_name(limit_name(word, metric)) for word in text.split())


def limit_figure(limit: str, reading: Reading, metric: str) -> Figure:
    """A limit's budget, observation or bound, with the unit that its name says."""
    if isinstance(reading, Unavailable):
        return Figure(NO_READING, reason=reading.unavailable)
    if limit.startswith("metric."):
        return change(reading, metric, signed=False)
    unit = "ms" if limit.startswith("latency_ms.") else LIMITS.get(limit, ("", ""))[1]
    return figure(reading, unit)


def metric_of(report: Report) -> Metric:
    """The metric that is shown: the budget's, else the first that was scored."""
    if report.metric is not None:
        return report.metric
    scored = (name for row in (*report.candidates, *report.baseline) for name in row.metrics)
    return Metric(name=next(scored, "accuracy"))


def drop(dense: Reading, final: Reading, metric: Metric) -> float | None:
    """How much worse the final score is; negative where it is better, None where one is missing."""
    if isinstance(dense, Unavailable) or isinstance(final, Unavailable):
        return None
    return dense - final if metric.higher_is_better else final - dense


def class_drops(dense: Row, final: Row, metric: Metric) -> dict[str, float]:
    """The drop of each class that both rows score, the largest first."""
    both = (name for name in dense.per_class if name in final.per_class)
    drops = {name: drop(dense.per_class[name], final.per_class[name], metric) for name in both}
    known = {name: value for name, value in drops.items() if value is not None}
    return dict(sorted(known.items(), key=lambda item: -item[1]))


def sentence(row: Row, metric: str) -> str:
    """What a verdict says in one line: the first line that is as bad as the whole."""
    if row.verdict is None:
        return "not judged"
    worst = [line for line in row.verdict.lines if line.status == row.verdict.status]
    if row.verdict.status == "PASS" or not worst:
        return MEANING[row.verdict.status]
    return _line(worst[0], metric)


def _line(line: Line, metric: str) -> str:
    name = limit_name(line.limit, metric)
    if line.status != "FAIL":
        return f"{name}: {line.reason or MEANING[line.status]}"
    observed = limit_figure(line.limit, line.observed, metric)
    budget = limit_figure(line.limit, line.budget, metric)
    if observed.text == budget.text:
        return f"{name} misses its limit of {budget} by less than its last digit"
    return f"{name} misses its limit: {observed} against {budget}"
