"""What a check is told besides the model file and its limits: open sizes, and a task's data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from targets.errors import UsageError


@dataclass(frozen=True)
class Given:
    """Both may be missing.

    Attributes:
        shapes: of inputs whose sizes the file leaves open, by name.
        data: a task.py, or a recipe, whose task and params are taken.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    data: Path | None = None

    @classmethod
    def read(cls, shapes: Sequence[str], data: Path | None) -> "Given":
        """As the command line has it: `x=1,3,224,224`, once for each input.

        Raises UsageError for a shape that can't be read, or an input that is named twice.
        """
        found = [_shape(text) for text in shapes]
        names = [name for name, _ in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"--shape of '{twice[0]}' is given twice; state it once")
        return cls(dict(found), data)


NOTHING = Given()


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, sizes = text.rpartition("=")
    try:
        numbers = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        numbers = ()
    if not equals or not name or not numbers or min(numbers) < 1:
        raise UsageError(
            f"--shape '{text}' can't be read; write the input and its sizes: x=1,3,224,224"
        )
    return name, numbers
