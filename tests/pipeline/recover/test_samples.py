"""Every sample once per epoch, in an order of our own."""

import pytest
import torch

from pipeline.recover import samples
from pipeline.recover.samples import Samples
from targets.errors import TaskError


class Task:
    def __init__(self, batches):
        self._batches = batches

    def batches(self, split):
        assert split == "train"
        return iter(self._batches)


def numbered(*sizes):
    rows = torch.arange(sum(sizes)).split(sizes)
    return [((row.float()[:, None],), {"label": row}) for row in rows]


def passes(task, epochs, generator):
    drawn = Samples(task, generator)
    return (drawn.next() for _ in range(epochs))


def order(one_pass):
    rows = []
    for (inputs,), target in one_pass.batches:
        assert torch.equal(inputs[:, 0].long(), target["label"])
        rows.append(target["label"].tolist())
    return rows


def orders(batches, epochs=2, seed=0):
    drawn = torch.Generator().manual_seed(seed)
    return [order(one) for one in passes(Task(batches), epochs, drawn)]


def test_every_epoch_has_every_sample_once_in_another_order():
    first, second = orders(numbered(4, 4, 1))
    for one in (first, second):
        assert sorted(row for batch in one for row in batch) == list(range(9))
        assert [len(batch) for batch in one] == [3, 3, 3]  # no batch of a single sample
    assert first != second


def test_the_seed_decides_the_order():
    assert orders(numbered(8, 8)) == orders(numbered(8, 8))
    assert orders(numbered(8, 8)) != orders(numbered(8, 8), seed=1)


def test_samples_that_do_not_stack_stay_in_their_batches():
    ragged = [((torch.zeros(2, length),), torch.zeros(2)) for length in range(1, 9)]
    (one,) = passes(Task(ragged), 1, torch.Generator().manual_seed(0))
    lengths = [inputs.shape[1] for (inputs,), _ in one.batches]
    assert sorted(lengths) == list(range(1, 9)) != lengths


def test_a_target_of_another_kind_stays_with_its_batch():
    texts = [((torch.full((2, 1), float(n)),), f"text {n}") for n in range(8)]
    (one,) = passes(Task(texts), 1, torch.Generator().manual_seed(0))
    pairs = [(int(inputs[0, 0]), text) for (inputs,), text in one.batches]
    assert all(text == f"text {n}" for n, text in pairs)
    assert sorted(pairs) == [(n, f"text {n}") for n in range(8)] != pairs


def test_a_split_too_large_to_hold_comes_as_it_is(monkeypatch):
    monkeypatch.setattr(samples, "MEMORY_BYTES", 50)  # a sample is 12 bytes
    drawn = torch.Generator().manual_seed(0)
    found = [(one.count, order(one)) for one in passes(Task(numbered(4, 4)), 2, drawn)]
    assert found == [(2, [[0, 1, 2, 3], [4, 5, 6, 7]])] * 2


def test_an_empty_split_is_refused():
    with pytest.raises(TaskError, match="is empty"):
        orders([])
