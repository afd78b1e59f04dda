"""What a user's patterns mean: names of nodes, modules and kinds."""

from pipeline.quantize.exclusion import named, names
from pipeline.quantize.layout import Part


def part(name, operator, module):
    return Part(name, operator, "computes", module, (), (), 0, weighted=False)


PARTS = {
    one.name: one
    for one in (
        part("x", "", ""),
        part("conv2d", "conv2d", "body.0"),
        part("hardswish", "hardswish", "body.0.act"),
        part("conv2d_1", "conv2d", "body.1"),
        part("linear", "linear", "head"),
    )
}


def test_a_pattern_is_a_node_a_module_or_a_kind():
    assert named(PARTS, "conv2d_1") == ("conv2d_1",)
    assert named(PARTS, "hardswish") == ("hardswish",)
    assert named(PARTS, "conv2d") == ("conv2d", "conv2d_1")
    assert named(PARTS, "body.0") == ("conv2d", "hardswish")
    assert named(PARTS, "body") == ("conv2d", "hardswish", "conv2d_1")
    assert named(PARTS, "he*") == ("linear",)
    assert named(PARTS, "*") == ("conv2d", "hardswish", "conv2d_1", "linear")


def test_a_pattern_that_matches_nothing_means_nothing():
    assert named(PARTS, "headd") == ()
    assert named(PARTS, "") == ()


def test_all_names_can_be_told():
    assert names(PARTS) == (
        "body", "body.0", "body.0.act", "body.1", "head", "conv2d", "hardswish", "linear",
        "conv2d_1",
    )  # fmt: skip
