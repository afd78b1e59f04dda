"""Activations of the dense model as something to learn from."""

import pytest
import torch

from pipeline.graph import trace
from pipeline.inference import infer
from pipeline.prune import apply, plan
from pipeline.prune.kept import kept_by
from pipeline.recipe import Distill, Recover
from pipeline.recover import recover
from pipeline.recover.features import Features, Watching
from targets.errors import TaskError


def silent(message, fraction):
    pass


@pytest.fixture(scope="module")
def rounds(teacher):
    """Two rounds of pruning, and the graph that they leave."""
    first = plan(teacher, ratio=0.25, multiple=1)
    once = apply(teacher, first)
    second = plan(once, ratio=0.25, multiple=1)
    return (first, second), apply(once, second)


@pytest.fixture(scope="module")
def images(task):
    (inputs, _), *_ = task.batches("validation")
    return inputs


def test_auto_is_the_last_activation_of_each_resolution(teacher):
    found = Features(teacher.module, teacher.module, ("auto",), {}).names
    relus = [node.name for node in teacher.module.graph.nodes if "relu" in node.name]
    assert found == (relus[-1],)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("relu*", ["relu", "relu_1"]), ("first_norm", ["batch_norm"]), ("*norm", None)],
)
def test_patterns_mean_nodes_and_modules(teacher, pattern, expected):
    found = Features(teacher.module, teacher.module, (pattern, pattern), {}).names
    assert list(found) == (expected or ["batch_norm", "batch_norm_1"])


def test_a_pattern_for_nothing_is_refused(teacher):
    with pytest.raises(TaskError, match=r"features: 'layer9\*' matches no activation .* allowed: "):
        Features(teacher.module, teacher.module, ("layer9*",), {})


def test_outputs_and_weights_are_no_features(teacher):
    for name in ("linear", "head", "first_weight"):
        with pytest.raises(TaskError, match="matches no activation"):
            Features(teacher.module, teacher.module, (name,), {})


def test_kept_channels_are_those_that_the_plans_keep(teacher, rounds):
    plans, small = rounds
    kept = kept_by(teacher, plans)
    weight = teacher.module.get_parameter("first.weight")
    (channels,) = {tuple(kept[name][1]) for name in ("conv2d", "batch_norm", "relu")}
    assert len(channels) == small.module.get_parameter("first.weight").shape[0] < len(weight)
    assert torch.equal(weight[list(channels)], small.module.get_parameter("first.weight"))
    assert kept_by(teacher, ()) == {}


def test_the_distance_is_that_of_the_kept_channels(teacher, rounds, images):
    plans, small = rounds
    kept = kept_by(teacher, plans)
    features = Features(small.module, teacher.module, ("conv2d", "relu_1"), kept)
    ours, theirs = (Watching(one.module, features.names) for one in (small, teacher))
    with torch.no_grad():
        infer(small.module, images, ours.run)
        infer(teacher.module, images, theirs.run)
    narrow, wide = ours.seen(), theirs.seen()
    # The first convolution reads the input, which nothing was pruned of: rounding alone is left.
    only = Features(small.module, teacher.module, ("conv2d",), kept)
    assert only.distance(narrow, wide) < 1e-10
    picked = wide["relu_1"][:, kept["relu_1"][1]]
    gap = (narrow["relu_1"] - picked).square().sum() / picked.square().sum()
    # A mean of two terms, one of them nothing.
    assert torch.allclose(features.distance(narrow, wide), gap / 2, rtol=1e-5)
    assert ours.seen() == {}


def test_activations_without_their_channels_do_not_compare(teacher, rounds, images):
    _, small = rounds
    features = Features(small.module, teacher.module, ("relu",), {})
    ours, theirs = (Watching(one.module, features.names) for one in (small, teacher))
    infer(small.module, images, ours.run)
    infer(teacher.module, images, theirs.run)
    with pytest.raises(TaskError, match=r"relu can't be compared"):
        features.distance(ours.seen(), theirs.seen())


class Overwritten(torch.nn.Module):
    def forward(self, x):
        y = x * 2
        return torch.relu_(y.add_(1)).sum((1, 2, 3))


def test_what_is_written_over_later_is_seen_as_it_was():
    graph = trace(Overwritten(), (torch.zeros(1, 1, 2, 2),))
    watching = Watching(graph.module, ("mul",))
    watching.run(torch.ones(2, 1, 2, 2))
    assert torch.equal(watching.seen()["mul"], torch.full((2, 1, 2, 2), 2.0))


def test_a_static_graph_is_seen_whole(images):
    class Fixed(torch.nn.Module):
        def forward(self, x):
            return torch.relu(x).view(1, 64) * 2

    graph = trace(Fixed(), (torch.zeros(1, 1, 8, 8),))
    assert not graph.dynamic_batch
    watching = Watching(graph.module, ("relu",))
    infer(graph.module, images, watching.run)
    assert torch.equal(watching.seen()["relu"], torch.relu(images[0]))


def test_recovery_brings_activations_nearer(task, teacher, rounds):
    plans, small = rounds
    kept = kept_by(teacher, plans)
    apart = {}
    for features in ((), ("auto",)):
        settings = Recover(epochs=2, learning_rate=5e-3, distill=Distill(features=features))
        done = recover(small, teacher, task, settings, silent, kept=kept)
        assert ("activations relu_1" in done.training.distilled) is bool(features)
        assert not any("Watching" in str(node) for node in done.graph.module.graph.nodes)
        apart[features] = gap(done.graph, teacher, kept, task)
    assert apart["auto",] < apart[()]


def gap(small, teacher, kept, task):
    features = Features(small.module, teacher.module, ("auto",), kept)
    ours, theirs = (Watching(one.module, features.names) for one in (small, teacher))
    with torch.no_grad():
        for inputs, _ in task.batches("validation"):
            infer(small.module, inputs, ours.run)
            infer(teacher.module, inputs, theirs.run)
    return features.distance(ours.seen(), theirs.seen())
