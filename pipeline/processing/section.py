"""What every part of a task's processing is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of a declaration: frozen, finite, with no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
