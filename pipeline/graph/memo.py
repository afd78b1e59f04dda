"""One thing found out about something that may change, kept for as long as it has not."""

from typing import Generic, TypeVar

Kind = TypeVar("Kind")

KEPT = 4
"""Answers: one of an example, and those of batches of calibration, whole and cut off."""


class Memo(Generic[Kind]):
    """The last few answers, and what each rested on."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._known: list[tuple[object, Kind]] = []

    def recall(self, basis: object) -> Kind | None:
        """The answer, if it rests on an equal basis."""
        return next((answer for known, answer in self._known if known == basis), None)

    def keep(self, basis: object, answer: Kind) -> Kind:
        """Remember an answer and give it."""
        self._known = [(basis, answer), *self._known[: KEPT - 1]]
        return answer
