"""Multiply-accumulates by hand."""

from targets import macs


def test_a_convolution() -> None:
    # 8 channels of 4 × 5, each from 3 channels under a kernel of 3 × 3
    assert macs.of_convolution((1, 8, 4, 5), (8, 3, 3, 3), 8) == 8 * 20 * 27
    # depthwise: a single channel each, in LiteRT's layout
    assert macs.of_convolution((1, 4, 5, 8), (1, 3, 3, 8), 8) == 8 * 20 * 9


def test_a_transposed_convolution_spreads_its_input() -> None:
    assert macs.of_transposed_convolution((1, 6, 4, 5), (6, 8, 2, 2), 6) == 6 * 20 * 32


def test_products() -> None:
    assert macs.of_product((2, 7, 5), 16) == 2 * 7 * 5 * 16
    assert macs.of_attention((1, 4, 9, 8), (1, 4, 10, 6)) == 4 * 9 * 10 * (8 + 6)
    # 5 steps of 2 samples; weights of 4 gates
    assert macs.of_recurrence((5, 2, 3), 5, (1, 16, 3), (1, 16, 4)) == 10 * (48 + 64)


def test_an_unknown_size_gives_no_number() -> None:
    assert macs.of_convolution((1, 8, -1, 5), (8, 3, 3, 3), 8) is None
    assert macs.of_product((), 0) is None
    assert macs.of_attention((1, -1, 8), (1, 9, 8)) is None
