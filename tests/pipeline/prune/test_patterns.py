"""Patterns mean groups by dimension, parameter or module; what matches nothing is refused."""

import pytest

from pipeline.prune.patterns import matching
from targets.errors import UsageError

REACH = (
    ("stem.weight[0]", "stem.bias[0]", "blocks.0.conv.weight[1]"),
    ("blocks.0.conv.weight[0]", "head.weight[1]"),
    ("blocks.10.conv.weight[0]",),
)


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        ("stem.weight[0]", {0}),
        ("blocks.0.conv.weight[0]", {1}),
        ("blocks.0.conv.weight", {0, 1}),
        ("blocks.0", {0, 1}),
        ("blocks", {0, 1, 2}),
        ("blocks.1*", {2}),
        ("*[0]", {0, 1, 2}),
        ("blocks.?.conv", {0, 1}),
        ("head", {1}),
        ("*.bias", {0}),
        ("*", {0, 1, 2}),
    ],
)
def test_what_a_pattern_means(pattern: str, groups: set[int]) -> None:
    assert matching("keep", pattern, REACH) == groups


@pytest.mark.parametrize(
    ("pattern", "near"),
    [("stm", "stem"), ("blocks.0.cnv", "blocks.0.conv"), ("weight[0]", "stem.weight[0]")],
)
def test_a_pattern_that_matches_nothing_tells_the_nearest_names(pattern: str, near: str) -> None:
    with pytest.raises(UsageError, match=r"^keep: '.*' matches no group") as refusal:
        matching("keep", pattern, REACH)
    assert f"the nearest names are {near}" in str(refusal.value)


def test_where_there_are_no_groups_that_is_said() -> None:
    with pytest.raises(UsageError, match="there is nothing to prune"):
        matching("bounds", "x", ())
