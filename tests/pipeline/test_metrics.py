"""Accuracy, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics import METRICS, Accuracy, value
from targets.errors import TaskError


def scored(outputs, labels):
    metric = Accuracy()
    metric.update(torch.as_tensor(outputs), torch.as_tensor(labels))
    return metric


labels_and_guesses = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40
)


@given(labels_and_guesses, st.integers(1, 7))
def test_it_is_the_share_of_right_guesses_however_batched(pairs, batch):
    labels, guesses = (np.array(column) for column in zip(*pairs, strict=True))
    outputs = torch.eye(5)[torch.from_numpy(guesses)]
    metric = Accuracy()
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        metric.update(outputs[part], torch.from_numpy(labels[part]))
    # Both are a ratio of the same whole numbers, so they are equal to the last bit.
    assert metric.compute() == np.mean(labels == guesses)
    for label in np.unique(labels):
        share = np.mean(guesses[labels == label] == label)
        assert metric.per_class()[str(label)] == share
    assert len(metric.per_class()) == len(np.unique(labels))


def test_it_scores_every_pixel_of_an_image_of_labels():
    outputs = torch.zeros(1, 2, 2, 2)
    outputs[0, 1, 0] = 1.0
    assert scored(outputs, [[[1, 0], [0, 0]]]).compute() == 0.75


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_named_with_the_number_of_classes(label):
    with pytest.raises(TaskError, match=f"label {label} is out of range: .* 3 classes"):
        scored(torch.zeros(2, 3), [0, label])


def test_outputs_with_nan_are_refused():
    with pytest.raises(TaskError, match="NaN"):
        scored([[0.0, float("nan")]], [0])


@pytest.mark.parametrize(
    ("outputs", "labels", "said"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), r"shape \(N, C\)"),
        (torch.zeros(3, 2), torch.zeros(3), "integer labels"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), r"labels of shape \(3,\)"),
        ({"logits": torch.zeros(3, 2)}, torch.zeros(3, dtype=torch.int64), "a dict"),
    ],
)
def test_other_shapes_and_types_are_refused(outputs, labels, said):
    with pytest.raises(TaskError, match=said):
        Accuracy().update(outputs, labels)


def test_nothing_seen_is_no_accuracy():
    with pytest.raises(TaskError, match="empty"):
        Accuracy().compute()


def test_a_value_must_be_finite():
    metric = scored([[1.0, 0.0]], [0])
    assert value(metric) == 1.0
    metric.compute = lambda: float("nan")
    with pytest.raises(TaskError, match="metric 'accuracy' is nan"):
        value(metric)


def test_a_metric_is_made_anew_for_every_pass():
    assert METRICS["accuracy"]() is not METRICS["accuracy"]()
