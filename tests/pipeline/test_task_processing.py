"""What a task declares of its inputs and outputs: read, told where it is wrong, and done."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.evaluate import score_module
from pipeline.processing.before import Layout, Normalize, Resize, Scale
from pipeline.task import SPLITS, Task, load
from targets.errors import TaskError

IMAGES = """
import torch
from torch import nn

IMAGE = {"source": "image", "color": "rgb", "height": 4, "width": 6}
metrics = ["accuracy"]
preprocess = [
    IMAGE,
    {"op": "resize", "height": 8, "width": 8},
    {"op": "scale", "factor": 1 / 255},
    {"op": "normalize", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]},
    {"op": "layout", "to": "CHW"},
]
postprocess = [{"op": "softmax"}, {"op": "top_k", "k": 2, "labels": ["a", "b", "c"]}]


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3))


def example_inputs():
    return (torch.zeros(1, 3, 8, 8),)


def batches(split):
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        images = torch.randint(256, (5, 4, 6, 3), generator=generator, dtype=torch.uint8)
        yield images, torch.arange(5) % 3


def loss(outputs, target):
    return nn.functional.cross_entropy(outputs, target)
"""


def loaded(folder: Path, text: str = IMAGES) -> Task:
    (folder / "task.py").write_text(text)
    return load(folder, "task.py", {}, SPLITS)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(TaskError) as caught:
        loaded(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_batches_are_what_the_model_takes(tmp_path: Path):
    task = loaded(tmp_path)
    (images,), _ = next(task.batches("validation"))
    assert images.shape == (5, 3, 8, 8) and images.dtype == torch.float32
    (raw,), (same,) = next(task.sources("validation"))
    assert raw.dtype == torch.uint8
    torch.testing.assert_close(images, same, rtol=0, atol=0)
    floats = raw.permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(floats, (8, 8), mode="bilinear")
    mean = torch.tensor([0.4, 0.5, 0.6]).reshape(3, 1, 1)
    std = torch.tensor([0.2, 0.25, 0.3]).reshape(3, 1, 1)
    # four roundings of float32 at values up to 5
    torch.testing.assert_close(images, (resized / 255 - mean) / std, rtol=0, atol=4 * 8 * 2**-24)


def test_what_is_declared_is_kept_as_data(tmp_path: Path):
    declared = loaded(tmp_path).declared
    (image,) = declared.inputs
    assert (image.name, image.source.color) == ("input", "rgb")
    assert [type(one) for one in image.operations] == [Resize, Scale, Normalize, Layout]
    assert image.state.layout == "CHW"
    assert declared.outputs[0].operations[1].labels == ("a", "b", "c")


def test_a_task_may_declare_nothing(tmp_path: Path):
    text = IMAGES[: IMAGES.index("preprocess")] + IMAGES[IMAGES.index("def build") :]
    text = text.replace("(5, 4, 6, 3), generator=generator, dtype=torch.uint8", "(5, 3, 8, 8)")
    task = loaded(tmp_path, text.replace("randint(256, (5, 3, 8, 8))", "rand(5, 3, 8, 8)"))
    assert task.declared.inputs == task.declared.outputs == ()
    (raw,), (same,) = next(task.sources("train"))
    assert raw is same


AUGMENT = (
    IMAGES
    + """

def augment(images):
    return -images
"""
)


def test_only_training_is_augmented(tmp_path: Path):
    plain, augmented = loaded(tmp_path), None
    (expected,), _ = next(plain.batches("train"))
    augmented = loaded(tmp_path, AUGMENT)
    torch.testing.assert_close(next(augmented.batches("train"))[0][0], -expected)
    torch.testing.assert_close(next(augmented.batches("validation"))[0][0], expected)


def test_what_is_augmented_is_checked(tmp_path: Path):
    told = refusal(tmp_path, AUGMENT.replace("-images", "images[..., 1:]"))
    assert "batches('train'): batch 1: input 0: found shape [5, 3, 8, 7]" in told


SIZES = IMAGES.replace(', "height": 4, "width": 6}', "}").replace(
    "yield images, ", "yield [images[0], *images[1:, :, :5]], "
)


def test_samples_may_be_of_several_sizes(tmp_path: Path):
    task = loaded(tmp_path, SIZES)
    (images,), _ = next(task.batches("validation"))
    assert images.shape == (5, 3, 8, 8)
    shapes = [tuple(raw.shape) for (raw,), _ in task.sources("validation")]
    assert shapes == 2 * [(1, 4, 6, 3), *4 * [(1, 4, 5, 3)]]
    rows = [one for _, (one,) in task.sources("validation")]
    torch.testing.assert_close(torch.cat(rows[:5]), images, rtol=0, atol=0)


SEVERAL = """
import torch
from torch import nn

metrics = ["accuracy"]
preprocess = {"sound": [{"source": "audio", "rate_hz": 8000, "dtype": "int16"},
                        {"op": "fit", "samples": 16}]}
postprocess = {"kind": [{"op": "top_k"}], "loudness": []}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 3)

    def forward(self, place, sound):
        return self.linear(sound) + place, sound.abs().mean(1)


def build():
    return Net()


def example_inputs():
    return torch.zeros(1, 1), torch.zeros(1, 16)


def batches(split):
    yield (torch.ones(2, 1), torch.full((2, 20), 16384, dtype=torch.int16)), torch.zeros(2)
"""


def test_several_inputs_and_outputs_go_by_name(tmp_path: Path):
    task = loaded(tmp_path, SEVERAL)
    assert task.declared.inputs[0] is None
    assert [one.name for one in task.declared.outputs] == ["kind", "loudness"]
    (place, sound), _ = next(task.batches("validation"))
    assert place.tolist() == [[1], [1]]
    assert sound.tolist() == [[0.5] * 16] * 2


@pytest.mark.parametrize(
    ("text", "before", "after", "told"),
    [
        (IMAGES, "IMAGE,", "", "task.py: preprocess: item 0: found a mapping of op, height, width"),
        (IMAGES, '"op": "resize"', '"op": "rezise"', "item 1: op: found 'rezise'; did you mean"),
        (IMAGES, '"height": 8', '"height": 0', "item 1: height: found 0; allowed: greater than 0"),
        (IMAGES, '"width": 8}', '"width": 9}', "end with an image [3, 8, 9] as CHW; allowed: the"),
        (IMAGES, "1 / 255", "0", "item 2: factor: found 0; allowed: any other number"),
        (IMAGES, '["a", "b", "c"]', '["a"]', "postprocess: item 1: top_k can't take an output of"),
        (IMAGES, "preprocess = [", "preprocess = 3 and [3,", "item 0: found 3; allowed"),
        (
            IMAGES,
            "dtype=torch.uint8",
            "dtype=torch.int32",
            "found int32 [5, 4, 6, 3]; allowed: uint",
        ),
        (IMAGES, "(5, 4, 6, 3)", "(5, 4, 7, 3)", "allowed: uint8 [N, 4, 6, 3], as preprocess says"),
        (IMAGES, "yield images", "yield 3", "batch 1: input 0: found int; allowed: uint8"),
        (SEVERAL, '{"sound"', '{"sounds"', "preprocess: found 'sounds'; did you mean 'sound'?"),
        (SEVERAL, '"kind": [{"op": "top_k"}], ', "", "found 1 outputs; allowed: 2, as the model"),
        (SEVERAL, '"loudness": []', '"loudness": [{"op": "top_k"}]', "loudness: item 0: top_k"),
        (SEVERAL, "preprocess = {", "preprocess = [] and {", "preprocess: found a list of 0; all"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text, before, after, told):
    assert before in text
    assert told in refusal(tmp_path, text.replace(before, after, 1))


def test_accuracy_is_that_of_what_the_app_gets(tmp_path: Path):
    """Logits so near each other that their softmax is the same: the first of equals counts."""
    task = loaded(tmp_path)
    (metric,) = task.metrics()
    logits = torch.tensor([[-1.0, 0.1, 0.1]])
    logits[0, 2] = torch.nextafter(logits[0, 1], torch.tensor(1.0))
    assert logits.argmax() == 2
    metric.update(logits, torch.tensor([1]))
    assert metric.compute() == 1.0
    (metric,) = task.metrics()
    metric.update(logits.bfloat16(), torch.tensor([1]))
    assert metric.compute() == 1.0
    assert 0 <= score_module(task.build(), task).metrics["accuracy"] <= 1


RESULTS = (
    IMAGES.replace('metrics = ["accuracy"]', "")
    + """

class Second:
    higher_is_better = True
    takes = "results"

    def __init__(self):
        self.seen = []

    def update(self, ranked, target):
        self.seen += ranked.indices[:, 1].tolist()

    def compute(self):
        return sum(self.seen)


metrics = [Second]
"""
)


def test_a_metric_may_take_results(tmp_path: Path):
    (metric,) = loaded(tmp_path, RESULTS).metrics()
    metric.update(torch.tensor([[3.0, 1.0, 2.0], [1.0, 2.0, 0.0]]), torch.zeros(2))
    assert (metric.name, metric.compute(), metric.per_class()) == ("Second", 2.0, None)
    told = refusal(tmp_path, RESULTS.replace('takes = "results"', 'takes = "result"'))
    assert "metric 'Second': takes: found 'result'; did you mean 'results'?" in told


def test_masks_are_scored_as_they_ship(tmp_path: Path):
    text = IMAGES.replace(
        '[{"op": "softmax"}, {"op": "top_k", "k": 2, "labels": ["a", "b", "c"]}]',
        '[{"op": "argmax_mask"}]',
    )
    text = text.replace("nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3))", "nn.Conv2d(3, 3, 1)")
    text = text.replace("torch.arange(5) % 3", "torch.zeros(5, 8, 8, dtype=torch.long)")
    task = loaded(tmp_path, text)
    outputs = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3, 8, 8)))
    (metric,) = task.metrics()
    metric.update(outputs, torch.zeros(5, 8, 8, dtype=torch.long))
    assert metric.compute() == (outputs.argmax(1) == 0).double().mean()
