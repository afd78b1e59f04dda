"""Sensitivity: what each group's every kept width costs in outputs, as a table of plain numbers."""

from collections.abc import Mapping
from math import isfinite
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Sensitivity(BaseModel):
    """Per group, per kept width: the mean KL divergence to the dense model's outputs, in nats.

    Each value is for that group alone at that width, after repair; the full width is 0 and needs
    no entry. A group without an entry was not measured. Values are finite and not negative.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    divergence: Mapping[str, Mapping[int, float]]

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        for name, widths in self.divergence.items():
            for width, value in widths.items():
                if width < 1:
                    raise ValueError(f"{name}: a width is at least 1, found {width}")
                if not isfinite(value) or value < 0:
                    raise ValueError(f"{name} at width {width}: no divergence: {value}")
        return self
