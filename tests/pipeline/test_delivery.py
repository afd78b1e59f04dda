"""Which samples become golden vectors."""

import numpy as np
import torch

from pipeline.delivery import first_samples


def batch(count: int, size: int, first: int = 0) -> tuple[tuple, tuple]:
    """Sources of a size, and as inputs the samples' numbers."""
    numbers = torch.arange(first, first + count)
    return (torch.zeros(count, size),), (numbers[:, None],)


def numbers(pairs, count: int) -> list[int]:
    (sources,), (inputs,) = first_samples(pairs, count)
    assert len(sources) == len(inputs)
    assert isinstance(inputs, np.ndarray) and inputs.flags.c_contiguous
    return inputs[:, 0].tolist()


def test_they_are_the_first_ones():
    assert numbers([batch(5, 3), batch(5, 3, 5)], 8) == list(range(8))
    assert numbers([batch(3, 3)], 8) == [0, 1, 2]


def test_they_are_of_one_size():
    single = [batch(1, size, index) for index, size in enumerate([4, 5, 4, 4, 6])]
    assert numbers(single, 8) == [0, 2, 3]


def test_no_more_batches_are_drawn_than_needed():
    def drawn():
        yield batch(8, 3)
        raise AssertionError("one was enough")

    assert len(numbers(drawn(), 8)) == 8
