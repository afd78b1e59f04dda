"""One thing found out about something that may change, kept for as long as it has not."""

from typing import Generic, TypeVar

Kind = TypeVar("Kind")


class Memo(Generic[Kind]):
    """The last answer, and what it rested on."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._known: tuple[object, Kind] | None = None

    def recall(self, basis: object) -> Kind | None:
        """The answer, if it rests on an equal basis."""
        return self._known[1] if self._known and self._known[0] == basis else None

    def keep(self, basis: object, answer: Kind) -> Kind:
        """Remember an answer and give it."""
        self._known = basis, answer
        return answer
