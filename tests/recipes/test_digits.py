"""The shipped recipe: what its model, data and weights promise."""

import hashlib
import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.evaluate import score_module
from pipeline.task import load

FOLDER = Path(__file__).parents[2] / "recipes" / "digits"


@pytest.fixture(scope="module")
def task():
    return load(FOLDER, "task.py", {}, ("train", "calibration", "validation"))


@pytest.fixture(scope="module")
def net(task):
    return task.build()


def macs(net, x):
    total = 0

    def count(module, _, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    net(x)
    for hook in hooks:
        hook.remove()
    return total


def test_a_digit_in_ten_scores_out(task, net):
    (x,) = task.example_inputs()
    assert x.shape == (1, 1, 32, 32)
    assert net(x).shape == (1, 10)


def test_it_is_large_enough_to_be_worth_pruning(task, net):
    assert macs(net, *task.example_inputs()) >= 10e6
    assert sum(one.numel() for one in net.parameters()) >= 100_000


def test_it_holds_every_kind_of_layer_that_the_recipe_is_there_for(net):
    convolutions = [one for one in net.modules() if isinstance(one, torch.nn.Conv2d)]
    assert any(one.groups == one.in_channels > 1 for one in convolutions)
    assert any(one.stride == (2, 2) for one in convolutions)
    traced = torch.export.export(net, (torch.zeros(2, 1, 32, 32),)).module()
    called = {str(node.target) for node in traced.graph.nodes}
    assert {"aten.cat.default", "aten.add.Tensor", "aten.mean.dim"} <= called


def test_widths_leave_a_whole_number_of_vectors(net):
    convolutions = [one for one in net.modules() if isinstance(one, torch.nn.Conv2d)]
    assert all(one.out_channels % 8 == 0 for one in convolutions)


def test_shipped_weights_are_accurate_and_small(task, net):
    scores = score_module(net, task)
    assert scores.metrics["accuracy"] >= 0.98
    assert len(scores.per_class) == 10
    file = FOLDER / "digits.safetensors"
    assert file.stat().st_size <= 500_000
    assert all(torch.isfinite(one).all() for one in load_file(file).values())


def seen(task, split):
    """The hash of every image, with its label."""
    return {
        (hashlib.sha256(image.numpy().tobytes()).hexdigest(), int(label))
        for (images,), labels in task.batches(split)
        for image, label in zip(images, labels, strict=True)
    }


def labels_of(task, split):
    return torch.cat([labels for _, labels in task.batches(split)])


def test_splits_are_stratified_and_apart(task):
    assert (labels_of(task, "validation").bincount() == 80).all()
    assert (labels_of(task, "calibration").bincount() == 20).all()
    assert len(labels_of(task, "train")) == 1797 - 800
    unshifted = vars(task._module)["splits"]()
    rows = {
        name: {image.numpy().tobytes() for image in part[0]} for name, part in unshifted.items()
    }
    assert not rows["validation"] & rows["train"]
    assert rows["calibration"] <= rows["train"]


def test_splits_are_the_same_every_time(task):
    again = load(FOLDER, "task.py", {}, ("validation",))
    assert seen(task, "validation") == seen(again, "validation")
    torch.manual_seed(3)
    first = seen(task, "train")
    torch.manual_seed(3)
    assert seen(again, "train") == first


def test_training_images_move_and_others_do_not(task):
    assert seen(task, "train") != seen(task, "train")
    assert seen(task, "calibration") == seen(task, "calibration")


def test_what_is_declared_is_what_the_weights_were_trained_on(task, monkeypatch):
    """To the bit: 8-bit pixels and weights that are multiples of 1/8 round nowhere."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("digits_training", FOLDER / "train.py")
    training = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patched:
        for name in ("model", "task"):
            patched.delitem(sys.modules, name, raising=False)
        spec.loader.exec_module(training)
        for name in ("model", "task"):
            del sys.modules[name]
    expected, _ = training.prepared("validation")
    found = torch.cat([images for (images,), _ in task.batches("validation")])
    assert torch.equal(found, expected)


def test_an_app_gets_three_digits(task):
    (digits,) = task.declared.inputs
    assert (digits.source.shape, digits.source.dtype) == ((8, 8, 1), "uint8")
    (ranked,) = task.declared.outputs
    assert ranked.operations[-1].labels == tuple("0123456789")


def test_loading_it_leaves_no_module_of_its_names_behind(task):
    assert "model" not in sys.modules
