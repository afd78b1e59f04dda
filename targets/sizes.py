"""Open sizes of a model's inputs: which numbers they get, and what is said of it.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

from typing import Mapping, Sequence, Tuple

from targets.errors import ArtifactError

Shape = Tuple[int, ...]


def fixed(name: str, shape: Sequence[int], asked: Mapping[str, Sequence[int]]) -> Shape:
    """The input's shape in numbers alone: the one that was asked for, or a batch of 1.

    Args:
        name: the input's.
        shape: as the file has it; an open size is -1.
        asked: shapes by the inputs' names.

    Raises ArtifactError where the file has other sizes than those asked for, or leaves more open
    than the batch and none were asked for.
    """
    if name in asked:
        return _asked(name, tuple(shape), tuple(asked[name]))
    if -1 in shape[1:]:
        raise ArtifactError(
            f"input '{name}' has the shape {list(shape)}; only the first dimension may be "
            "symbolic: export the model with fixed sizes, or state them "
            f"(--shape {name}=SIZES)"
        )
    return tuple(1 if size == -1 else size for size in shape)


def note(name: str, shape: Sequence[int], numbers: Sequence[int]) -> str:
    """What is said of an input whose sizes were open; "" where none was."""
    if tuple(shape) == tuple(numbers):
        return ""
    if tuple(shape[1:]) == tuple(numbers[1:]) and numbers[0] == 1:
        return f"batch of input '{name}' fixed to 1"
    return f"input '{name}' fixed to {list(numbers)}"


def check_names(asked: Mapping[str, Sequence[int]], names: Sequence[str]) -> None:
    """Raises ArtifactError where a shape was asked for of an input that there is not."""
    unknown = sorted(set(asked) - set(names))
    if unknown:
        known = ", ".join(f"'{name}'" for name in names) or "none"
        raise ArtifactError(f"no input is called '{unknown[0]}'; the model's inputs: {known}")


def _asked(name: str, shape: Shape, numbers: Shape) -> Shape:
    same_rank = len(shape) == len(numbers)
    if not same_rank or any(has not in (-1, want) for has, want in zip(shape, numbers)):
        raise ArtifactError(
            f"input '{name}' has the shape {list(shape)}, and {list(numbers)} was asked for; give "
            "a number for each size, its own where it has one"
        )
    return numbers
