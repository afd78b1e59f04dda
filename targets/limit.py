"""One limit: its name, and the number or share of dense that it allows."""

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from targets.errors import RecipeError
from targets.measurement import QUANTILES

LATENCY_LIMITS = {f"latency_ms.{name}": quantile for name, quantile in QUANTILES.items()}
ENERGY_LIMITS = ("energy_mj", "power_w")
METRIC_LIMITS = ("metric.max_drop", "metric.max_class_drop")
LIMITS = (*LATENCY_LIMITS, "peak_memory_mb", "size_kb", *ENERGY_LIMITS, *METRIC_LIMITS)

ALLOWED = "a number above 0 or 'NN% of dense'"
_RELATIVE = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*%\s*of\s+dense\s*", re.ASCII)


@dataclass(frozen=True)
class Relative:
    """A limit in percent of the dense baseline of the same sitting."""

    percent: float

    def __str__(self) -> str:
        """As it is written in a recipe."""
        return f"{self.percent:g}% of dense"


def parse_limit(value: object) -> float | Relative:
    """A limit as a recipe, a budget file or the command line writes it.

    Raises ValueError saying what was found and what is allowed.
    """
    if isinstance(value, Relative):
        return value
    match = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
    number = _number(match.group(1) if match else value)
    if number is None or not math.isfinite(number) or number <= 0:
        raise ValueError(f"found {_shown(value)}; allowed: {ALLOWED}")
    return Relative(number) if match else number


def _absolute(value: object) -> float:
    limit = parse_limit(value)
    if isinstance(limit, Relative):
        raise ValueError(f"found {_shown(value)}; a drop is already relative to dense: a number")
    return limit


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


Limit = Annotated[
    float | Relative,
    BeforeValidator(parse_limit),
    PlainSerializer(lambda limit: str(limit) if isinstance(limit, Relative) else limit),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^[0-9.]+% of dense$"},
            ]
        }
    ),
]
Drop = Annotated[
    float,
    BeforeValidator(_absolute),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]


class Section(BaseModel):
    """A section of limits: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LatencyLimits(Section):
    """Limits in milliseconds on quantiles of the latency."""

    p50: Limit | None = Field(default=None, description="The median of one inference's time.")
    p90: Limit | None = Field(
        default=None, description="The 90th percentile of one inference's time."
    )
    p95: Limit | None = Field(
        default=None, description="The 95th percentile of one inference's time."
    )
    p99: Limit | None = Field(
        default=None, description="The 99th percentile of one inference's time."
    )


class MetricLimits(Section):
    """How far a metric, over all or in its worst class, may fall below the dense model's."""

    name: str = Field(description="The metric's name, one of the task's.")
    max_drop: Drop | None = Field(default=None, description="Below the dense model's, at most.")
    max_class_drop: Drop | None = Field(
        default=None, description="Below the dense model's in the class that loses most, at most."
    )


def limit_named(name: str) -> str:
    """The name itself. Raises RecipeError with the nearest name where there is no such limit."""
    if name in LIMITS:
        return name
    near = get_close_matches(name, LIMITS, 1, cutoff=0.3)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    raise RecipeError(f"no limit is called '{name}'{hint} Allowed: {', '.join(LIMITS)}")


def is_drop(text: str) -> bool:
    """Whether a limit of the command line is one on a metric."""
    return text.partition("=")[0].strip() in METRIC_LIMITS


def drop_from_text(text: str) -> tuple[str, float]:
    """Reads one limit on a metric, such as "metric.max_drop=0.01": the key in its section.

    Raises RecipeError saying what was found and what is allowed.
    """
    name, _, value = text.partition("=")
    try:
        return name.strip().removeprefix("metric."), _absolute(value.strip())
    except ValueError as error:
        raise RecipeError(f"limit '{name.strip()}': {error}") from error


def limit_from_text(text: str) -> tuple[str, float | Relative]:
    """Reads one limit of the command line, such as "latency_ms.p95=8".

    Raises RecipeError saying what was found and what is allowed.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"limit '{text}' has no value; write it as latency_ms.p95=8")
    name = limit_named(name.strip())
    if name in METRIC_LIMITS:
        raise RecipeError(
            f"limit '{name}' compares with a dense model; it belongs in a recipe, or beside a "
            "task that has one: check --data TASK"
        )
    try:
        return name, parse_limit(value.strip())
    except ValueError as error:
        raise RecipeError(f"limit '{name}': {error}") from error
