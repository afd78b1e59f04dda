"""The recover step's settings, as frozen values."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.recipe_section import Section
from pipeline.recipe_source import ALTERNATIVES

Precision = Literal["auto", "fp32", "bf16"]
MODES = ALTERNATIVES["recover"]
EPOCHS = 4
"""Where a recover step names neither of its modes."""
FEATURE_WEIGHT = 1.0


def _names(given: object) -> object:
    """One name stands for a list of it."""
    return (given,) if isinstance(given, str) else given


class Distill(Section):
    """Learning from the dense model's outputs (Hinton, Vinyals, Dean 2015, section 2)."""

    temperature: float = Field(
        default=4.0, gt=0, allow_inf_nan=False, description="Softens both models' outputs; above 0."
    )
    weight: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="The share of the distillation loss in the whole; 0 to 1.",
    )
    features: Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_names)] = Field(
        default=(),
        description="Activations to learn too, by names of nodes or modules (* is any text), or "
        "'auto': the last of each resolution. Compared on the channels that pruning kept.",
    )
    feature_weight: float = Field(
        default=FEATURE_WEIGHT,
        gt=0,
        allow_inf_nan=False,
        description="What the activations' relative squared distance counts beside the rest.",
    )

    @model_validator(mode="after")
    def _weighs_something(self) -> Self:
        if self.feature_weight != FEATURE_WEIGHT and not self.features:
            raise PydanticCustomError(
                "idle", "found feature_weight without features; allowed: with features"
            )
        return self


class Recover(Section):
    """Fine-tune the pruned model, so that it recovers its accuracy, by exactly one mode that says
    for how long."""

    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Passes over the training split; 4 where minutes are not given either.",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="The time to spend; the learning rate's schedule is laid over it.",
    )
    learning_rate: float = Field(
        default=2e-3, gt=0, le=10, description="The one-cycle schedule's highest learning rate."
    )
    distill: Distill | None = Field(
        default=None,
        description="Learn from the dense model too; without it, from the targets alone.",
    )
    precision: Precision = Field(
        default="auto",
        description="Of training's forward and backward passes; weights and updates stay fp32. "
        "'auto': bf16 for a large model on a CPU that multiplies it.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seeds every random choice of the training."
    )

    @model_validator(mode="before")
    @classmethod
    def _lasts_by_default(cls, data: object) -> object:
        """Neither mode is the default number of epochs."""
        if not isinstance(data, dict) or any(data.get(mode) is not None for mode in MODES):
            return data
        return {**data, "epochs": EPOCHS}

    @model_validator(mode="after")
    def _has_one_mode(self) -> Self:
        if self.epochs is not None and self.minutes is not None:
            raise PydanticCustomError(
                "modes", "found epochs and minutes; allowed: exactly one of epochs, minutes"
            )
        return self

    @property
    def told(self) -> str:
        """How long, in words."""
        if self.minutes is not None:
            return f"{self.minutes:g} minute{'s' * (self.minutes != 1)}"
        return f"{self.epochs} epoch{'s' * (self.epochs != 1)}"

    @property
    def learns_from_teacher_alone(self) -> bool:
        """Whether the targets, and so the task's loss, count for nothing."""
        return self.distill is not None and self.distill.weight == 1
