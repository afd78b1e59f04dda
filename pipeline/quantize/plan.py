"""The quantization plan: every scale and zero point, and what stays float. JSON-able, no torch."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from targets.errors import ArtifactError

LEAST_SCALE = 2.0**-12
"""Bounds the ratio of scales in a kernel, and a bias's int32, where a channel is all but zero."""

Range = Literal["least-squares", "min-max", "percentile", "entropy"]
WeightRange = Literal["min-max", "least-squares"]


class Frozen(BaseModel):
    """A part of the plan: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorQuantization(Frozen):
    """One int8 activation: real = scale * (integer - zero_point), integer in [-128, 127]."""

    tensor: str
    scale: float = Field(gt=0)
    zero_point: int = Field(ge=-128, le=127)


class WeightQuantization(Frozen):
    """One int8 weight: symmetric in [-127, 127], with a scale per slice along the channel axis.

    Scales that were found by rounding or training are stored, one per channel; without any, they
    follow from the weight by the settings' `weight_range`.
    """

    weight: str
    scheme: Literal["int8-symmetric-per-channel"] = "int8-symmetric-per-channel"
    channel_axis: int = Field(ge=0)
    channels: int = Field(gt=0)
    scales: tuple[Annotated[float, Field(gt=0)], ...] = ()

    @model_validator(mode="after")
    def _has_a_scale_per_channel(self) -> Self:
        if self.scales and len(self.scales) != self.channels:
            raise ValueError(
                f"'{self.weight}' has {self.channels} channels and {len(self.scales)} scales"
            )
        return self


class FloatOperator(Frozen):
    """One operator that no int8 rule covers, and why."""

    node: str
    operator: str
    reason: str


class Settings(Frozen):
    """What decided the plan."""

    scheme: Literal["int8"]
    mode: Literal["ptq", "qat"]
    range: Range = "least-squares"
    weight_range: WeightRange = "min-max"
    least_scale: float = LEAST_SCALE


class QuantPlan(Frozen):
    """What quantizing a graph comes to. Applies to any trace of the same code.

    `keeps` are the nodes that were decided to stay float, though a rule covers them; `floats` the
    operators that no rule covers. With `float_outlets` operators with weights leave float32 where
    float operators alone read it: some runtimes fuse more so, others compute in float then.
    """

    settings: Settings
    samples: int = Field(gt=0)
    tensors: tuple[TensorQuantization, ...]
    weights: tuple[WeightQuantization, ...]
    floats: tuple[FloatOperator, ...]
    keeps: tuple[str, ...] = ()
    float_outlets: bool = False

    def save(self, path: Path) -> None:
        """Writes the plan as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "QuantPlan":
        """Reads a plan. Raises ArtifactError where it can't be read or a key is wrong."""
        try:
            return QuantPlan.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ArtifactError(f"{path}: can't be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ArtifactError(f"{path}: no quantization plan: {place}: {first['msg']}") from error
