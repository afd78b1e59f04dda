"""Operations that are folded into the graph compute what they would before it."""

from pathlib import Path

import numpy as np
import torch

from pipeline.graph import trace
from pipeline.prune import apply, plan
from pipeline.quantize import quantize
from pipeline.recipe import Quantize
from pipeline.task import SPLITS, Task, load

TASK = """
import torch
from torch import nn

metrics = ["accuracy"]
FOLD = True
preprocess = [
    {"source": "image", "color": "rgb", "height": 8, "width": 6},
    {"op": "scale", "factor": 1 / 255, "fold": FOLD},
    {"op": "normalize", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3], "fold": FOLD},
    {"op": "layout", "to": "CHW", "fold": FOLD},
]


def build():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 6 * 4, 3),
    )


def example_inputs():
    return (torch.full((1, 3, 8, 6), 0.25),)


def batches(split):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (5, 8, 6, 3), generator=generator, dtype=torch.uint8)
    yield images, torch.arange(5) % 3
"""


def both(folder: Path) -> tuple[Task, Task]:
    """The task with everything folded, and with nothing."""
    made = []
    for name, text in (("folded", TASK), ("plain", TASK.replace("FOLD = True", "FOLD = False"))):
        (folder / name).mkdir()
        (folder / name / "task.py").write_text(text)
        made.append(load(folder / name, "task.py", {}, SPLITS))
    return made[0], made[1]


def test_the_folded_model_takes_what_the_app_has(tmp_path: Path):
    folded, plain = both(tmp_path)
    (images,), _ = next(folded.batches("validation"))
    assert images.shape == (5, 8, 6, 3) and images.dtype == torch.float32
    assert images.max() > 200
    (ready,), _ = next(plain.batches("validation"))
    with torch.no_grad():
        # float32 in another order of magnitude: rounding of inputs up to 5 through two layers
        torch.testing.assert_close(
            folded.build()(images), plain.build()(ready), rtol=1e-5, atol=1e-5
        )


def test_the_example_is_what_leads_to_the_tasks_own(tmp_path: Path):
    folded, plain = both(tmp_path)
    (example,) = folded.example_inputs()
    assert example.shape == (1, 8, 6, 3)
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
    np.testing.assert_allclose(example[0, 0, 0], (0.25 * std + mean) * 255, rtol=1e-5)
    assert plain.example_inputs()[0].shape == (1, 3, 8, 6)


def test_a_folded_graph_keeps_its_names_and_is_pruned_like_any(tmp_path: Path):
    folded, plain = both(tmp_path)
    graphs = [trace(one.build(), one.example_inputs()) for one in (folded, plain)]
    assert graphs[0].dynamic_batch
    parameters = [[name for name, _ in one.module.named_parameters()] for one in graphs]
    assert parameters[0] == parameters[1]
    plans = [plan(one, ratio=0.5, importance="magnitude") for one in graphs]
    kept = [[(one.name, one.kept) for one in made.groups] for made in plans]
    assert kept[0] == kept[1]
    (images,), _ = next(folded.batches("validation"))
    (ready,), _ = next(plain.batches("validation"))
    small = [apply(graph, made) for graph, made in zip(graphs, plans, strict=True)]
    with torch.no_grad():
        torch.testing.assert_close(
            small[0].module(images), small[1].module(ready), rtol=1e-5, atol=1e-5
        )


def test_all_that_is_folded_is_one_product_and_one_sum_in_int8(tmp_path: Path):
    folded, _ = both(tmp_path)
    graph = trace(folded.build(), folded.example_inputs())
    called = [str(node.target) for node in graph.module.graph.nodes if node.op == "call_function"]
    assert called[:3] == ["aten.mul.Tensor", "aten.add.Tensor", "aten.permute.default"]
    assert "aten.sub" not in str(called) and "aten.div" not in str(called)
    (images,), _ = next(folded.batches("validation"))
    quantized = quantize(graph, [(images,)], Quantize())
    assert quantized.plan.floats == ()
    with torch.no_grad():
        found, expected = quantized.unfolded(images), graph.module(images)
    # input, product, sum and four layers round to steps of 1/255 of their range
    assert (found - expected).abs().max() <= 7 / 255 * expected.abs().max()
