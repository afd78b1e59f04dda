"""What a language has to say for itself, so that the calls can be made for it."""

from collections.abc import Sequence
from typing import Protocol


class Language(Protocol):
    """How values and types are written. A dtype is numpy's name: float32, int16, int8, bool."""

    def float32(self, value: float) -> str:
        """A float32, exactly."""

    def float64(self, value: float) -> str:
        """A float64, exactly."""

    def floats(self, values: Sequence[float]) -> str:
        """An array of float32."""

    def sizes(self, values: Sequence[int]) -> str:
        """An array of whole numbers, such as a shape."""

    def text(self, value: str) -> str:
        """A string, escaped."""

    def array(self, dtype: str) -> str:
        """The type of an array of these."""

    def list_of(self, type_name: str) -> str:
        """The type of a list of these objects."""


def flag(value: bool) -> str:
    """A boolean; all these languages write it alike."""
    return "true" if value else "false"
