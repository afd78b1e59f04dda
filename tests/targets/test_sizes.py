"""Open sizes: which numbers they get, and what is said of it."""

import pytest

from targets.errors import ArtifactError
from targets.sizes import check_names, fixed, note


@pytest.mark.parametrize(
    ("shape", "asked", "numbers", "said"),
    [
        ((1, 3, 8), {}, (1, 3, 8), ""),
        ((-1, 3, 8), {}, (1, 3, 8), "batch of input 'x' fixed to 1"),
        ((-1,), {}, (1,), "batch of input 'x' fixed to 1"),
        ((), {}, (), ""),
        ((-1, 3, -1), {"x": (1, 3, 5)}, (1, 3, 5), "input 'x' fixed to [1, 3, 5]"),
        ((-1, 3), {"x": (4, 3)}, (4, 3), "input 'x' fixed to [4, 3]"),
        ((1, 3), {"x": (1, 3)}, (1, 3), ""),
        ((1, 3), {"other": (9,)}, (1, 3), ""),
    ],
)
def test_a_shape_in_numbers(
    shape: tuple[int, ...], asked: dict[str, tuple[int, ...]], numbers: tuple[int, ...], said: str
) -> None:
    assert fixed("x", shape, asked) == numbers
    assert note("x", shape, numbers) == said


@pytest.mark.parametrize(
    ("shape", "asked", "word"),
    [
        ((-1, 3, -1), {}, "--shape x=SIZES"),
        ((1, 3, 8), {"x": (1, 3, 9)}, r"\[1, 3, 9\] was asked for"),
        ((-1, 3, -1), {"x": (1, 3)}, "a number for each size"),
    ],
)
def test_a_shape_that_has_none(
    shape: tuple[int, ...], asked: dict[str, tuple[int, ...]], word: str
) -> None:
    with pytest.raises(ArtifactError, match=word):
        fixed("x", shape, asked)


def test_a_shape_of_an_input_that_there_is_not() -> None:
    check_names({"x": (1,)}, ["x", "y"])
    with pytest.raises(ArtifactError, match="no input is called 'z'; the model's inputs: 'x', 'y'"):
        check_names({"z": (1,)}, ["x", "y"])
    with pytest.raises(ArtifactError, match="inputs: none"):
        check_names({"z": (1,)}, [])
