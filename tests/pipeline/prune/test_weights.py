"""Weight sparsity: how many elements stay, which, and that the plan is a document like the rest."""

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, WeightPlan, apply, masks_of, plan, plan_weights
from pipeline.prune.masks import planned
from pipeline.prune.reference import differences
from pipeline.prune.weights import Weight, density, magnitude, n_of_m, weights_of
from targets.errors import ArtifactError, UsageError

arrays = st.builds(
    lambda shape, seed, step: (
        np.round(np.random.default_rng(seed).normal(size=shape) / step) * step
    ),
    st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple),
    st.integers(0, 1000),
    st.sampled_from((1e-6, 0.5)),  # coarse steps make ties
)


class Net(nn.Module):
    """Every kind of layer with a weight, one of them twice under two names."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.up = nn.ConvTranspose2d(width, 6, 2, 2)
        self.norm = nn.BatchNorm2d(6)
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 8)
        self.three = nn.Linear(8, 8)
        self.three.weight = self.two.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.up(self.depthwise(self.stem(x)).relu())).relu().mean((2, 3))
        return self.three(self.two(self.one(x)).relu())


@pytest.fixture
def graph(randomise) -> Graph:
    return trace(randomise(Net()), (torch.zeros(1, 3, 4, 4).double(),))


@given(values=arrays, sparsity=st.floats(0.01, 0.99))
def test_a_layer_keeps_the_largest_and_no_more_than_asked(
    values: np.ndarray, sparsity: float
) -> None:
    mask = magnitude([Weight("w", values, 1)], sparsity, "layerwise")["w"]
    most = max(1, values.size * (1 - sparsity) + 1e-9)
    assert most - 1 < mask.sum() <= most
    size = np.abs(values)
    assert mask.all() or size[mask].min() >= size[~mask].max()


@given(several=st.lists(arrays, min_size=1, max_size=4), sparsity=st.floats(0.01, 0.99))
def test_global_counts_over_all_and_empties_none(
    several: list[np.ndarray], sparsity: float
) -> None:
    weights = [Weight(str(number), values, 1) for number, values in enumerate(several)]
    masks = magnitude(weights, sparsity, "global")
    total = sum(values.size for values in several)
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert kept <= max(len(several), total * (1 - sparsity) + 1e-9)
    for weight in weights:
        mask, size = masks[weight.name], np.abs(weight.values)
        assert mask.any()
        assert mask.all() or size[mask].min() >= size[~mask].max()


@given(
    groups=st.integers(1, 3),
    pair=st.sampled_from(((2, 4), (4, 8))),
    dimension=st.integers(0, 2),
    seed=st.integers(0, 1000),
)
def test_n_of_m_neighbours_along_the_input_dimension_stay(
    groups: int, pair: tuple[int, int], dimension: int, seed: int
) -> None:
    n, m = pair
    shape = [3, 3, 3]
    shape[dimension] = groups * m
    values = np.random.default_rng(seed).normal(size=shape)
    mask = n_of_m(Weight("w", values, dimension), n, m)
    rows = np.moveaxis(mask, dimension, -1).reshape(-1, m)
    size = np.abs(np.moveaxis(values, dimension, -1).reshape(-1, m))
    assert (rows.sum(axis=1) == n).all()
    assert (np.where(rows, size, np.inf).min(1) >= np.where(rows, 0, size).max(1)).all()


@given(mask=arrays.map(lambda values: values > 0).filter(np.any))
def test_a_mask_survives_packing(mask: np.ndarray) -> None:
    made = planned("w", mask, None)
    again = WeightPlan.model_validate_json(made.model_dump_json())
    assert again == made
    assert np.array_equal(again.stays(), mask)


def test_weights_are_those_of_layers_and_ties_are_one(graph: Graph) -> None:
    found = {weight.name: weight.input_dimension for weight in weights_of(graph)}
    expected = {"stem": 1, "depthwise": 1, "up": 0, "one": 1}
    assert {name.removesuffix(".weight"): d for name, d in found.items()} in (
        expected | {"two": 1}, expected | {"three": 1},
    )  # fmt: skip


@pytest.mark.parametrize("asked", [{"sparsity": 0.7}, {"sparsity": 0.7, "scope": "global"},
                                   {"pattern": "2:4"}, {"pattern": "4:8"}])  # fmt: skip
def test_a_sparse_graph_equals_the_reference(graph: Graph, asked: dict, tmp_path: Path) -> None:
    made = plan_weights(graph, **asked)
    small = apply(graph, made)
    inputs = (torch.randn(3, 3, 4, 4).double(),)
    assert max(differences(graph, made, small, inputs).values()) <= 1e-9  # see conftest.py
    for name, mask in masks_of(made.weights).items():
        tensor = small.module.get_parameter(name).detach().numpy()
        assert np.array_equal(tensor != 0, mask)
    assert not torch.equal(graph.module(*inputs), small.module(*inputs))
    made.save(tmp_path / "plan.json")
    loaded = PrunePlan.load(tmp_path / "plan.json")
    assert loaded == made
    assert torch.equal(apply(graph, loaded).module(*inputs), small.module(*inputs))


def test_channels_and_weights_in_one_plan(graph: Graph) -> None:
    channels = plan(graph, ratio=0.5)
    sparse = plan_weights(apply(graph, channels), sparsity=0.5)
    both = channels.model_copy(update={"weights": sparse.weights})
    small = apply(graph, both)
    found = differences(graph, both, small, (torch.randn(3, 3, 4, 4).double(),))
    assert max(found.values()) <= 1e-9


def test_a_pattern_declines_what_it_does_not_divide(graph: Graph) -> None:
    reasons = {one.name: one.reason for one in plan_weights(graph, pattern="2:4").weights}
    assert reasons["stem.weight"] == "its 3 inputs are no multiple of 4"
    assert reasons["up.weight"] is None
    kept = plan_weights(graph, sparsity=0.5, keep=["stem", "one.*"]).weights
    whole = {one.name for one in kept if one.reason == "is kept, as asked"}
    assert whole == {"stem.weight", "one.weight"}
    assert density([one for one in kept if one.reason is None]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "either sparsity or pattern"),
        ({"sparsity": 1.0}, "between 0 and 1"),
        ({"sparsity": float("nan")}, "between 0 and 1"),
        ({"pattern": "1:4"}, "one of 2:4, 4:8; found '1:4'"),
        ({"sparsity": 0.5, "scope": "block"}, "layerwise or global"),
        ({"sparsity": 0.5, "keep": ["steem"]}, "nearest names are stem"),
    ],
)
def test_bad_settings_are_refused(graph: Graph, asked: dict, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan_weights(graph, **asked)


def test_another_models_weights_are_refused(graph: Graph) -> None:
    made = plan_weights(graph, sparsity=0.5)
    first = made.weights[0]
    for change, told in (
        ({"name": "none.weight"}, "it has none"),
        ({"shape": (3, 8, 3, 3)}, r"its own is \(8, 3, 3, 3\)"),
    ):
        foreign = made.model_copy(update={"weights": (first.model_copy(update=change),)})
        with pytest.raises(ArtifactError, match=told):
            apply(graph, foreign)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        ("%%%", "can't be unpacked"),
        (base64.b64encode(b"no zlib").decode(), "can't be unpacked"),
        (base64.b64encode(zlib.compress(b"\xff")).decode(), "has 1 bytes, not 2"),
        (base64.b64encode(zlib.compress(bytes(2))).decode(), "keeps another number"),
    ],
)
def test_a_broken_mask_is_refused(mask: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        WeightPlan(name="w", shape=(3, 4), pattern=None, kept=6, mask=mask)


@pytest.mark.parametrize("mask", ["", base64.b64encode(zlib.compress(b"\xff")).decode()])
def test_a_weight_of_no_size_there_is_takes_no_memory(mask: str) -> None:
    for shape, told in (((2**31, 2**31), "more than 2,147,483,648"), ((2**31,), "w: the mask")):
        with pytest.raises(ValidationError, match=told):
            WeightPlan(name="w", shape=shape, pattern=None, kept=1, mask=mask)
