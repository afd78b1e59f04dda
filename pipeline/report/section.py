"""What the document is made of: frozen objects, and readings that say why there is none.

A reading is a finite number, or `{"unavailable": "why"}` where there is none: never 0 and never
null. The text "unavailable: why" is understood on the way in.
"""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "INVALID", "UNVERIFIED"]
STATUSES: tuple[Status, ...] = ("PASS", "FAIL", "INCONCLUSIVE", "INVALID", "UNVERIFIED")
PREFIX = "unavailable:"


class Section(BaseModel):
    """One object of the document."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, from_attributes=True
    )


class Unavailable(Section):
    """There is no reading, and why."""

    unavailable: str


def _reading(value: object) -> object:
    """A reading as it is written: text that says why there is none becomes an object."""
    if isinstance(value, str) and value.startswith(PREFIX):
        return Unavailable(unavailable=value.removeprefix(PREFIX).strip())
    if value is None:
        return Unavailable(unavailable="not measured")
    if isinstance(value, float) and not math.isfinite(value):
        return Unavailable(unavailable="not a finite number")
    return value


Reading = Annotated[
    Annotated[float, Field(allow_inf_nan=False)] | Unavailable, BeforeValidator(_reading)
]
