"""What every mapping of a recipe is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of a recipe: frozen, of exact types, with no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)
