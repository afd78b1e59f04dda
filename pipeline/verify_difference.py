"""What verifying tells of: something that is not as it should be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Something that is not as it should be.

    Attributes:
        where: a file of the package, "signature", or an input or output.
        what: a sentence's end: "is missing".
    """

    where: str
    what: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.where} {self.what}"
