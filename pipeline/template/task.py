"""Your model and your data, as edgesmith asks for them. This one learns 8x8 handwritten digits.

Other files of this folder can be imported as usual: `from model import Net`.
"""

from collections.abc import Iterator
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

BATCH = 64
SETTINGS = {"epochs": 6}

metrics = ["accuracy"]  # names of edgesmith's, or factories of yours: an object with
# update(outputs, target), compute() -> float and higher_is_better; with `takes = "results"` it sees
# what `postprocess` makes of the outputs

# What an app has, and what is done to it before the model; batches() below gives what the app has.
# Packages carry this, and their APIs do it. Optional: without it, batches() gives what the model
# takes. Scale, normalize and layout become part of the model with "fold": True.
preprocess = [
    {"source": "image", "color": "gray", "height": 8, "width": 8},
    {"op": "scale", "factor": 1 / 8, "offset": -1},
    {"op": "layout", "to": "CHW"},
]

# What is done to the model's outputs before the app gets them. Optional.
postprocess = [{"op": "softmax"}, {"op": "top_k", "k": 3, "labels": list("0123456789")}]


def configure(epochs: int = 6) -> None:
    """Takes the recipe's `params`. Called once, first. Optional."""
    SETTINGS["epochs"] = epochs


def build() -> nn.Module:
    """The trained model. Yours will rather load its weights:

    net.load_state_dict(safetensors.torch.load_file(Path(__file__).with_name("net.safetensors")))
    """
    torch.manual_seed(0)
    net = network()
    train(net)
    return net.eval()


def example_inputs() -> tuple[Tensor, ...]:
    """A tuple with one tensor for each input, as the model takes it: a batch of 1, (1, 1, 8, 8)."""
    return (torch.zeros(1, 1, 8, 8),)


def batches(split: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of inputs and target of "train", "calibration" or "validation".

    A model of several inputs gets them as a tuple; a target is whatever loss and metrics take.
    Training images that are to be changed at random are changed in augment(*inputs), which gets
    what the model takes. Optional.
    """
    images, labels = data()[split]
    yield from zip(images.split(BATCH), labels.split(BATCH), strict=True)


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """What `recover` makes small. Optional without that step."""
    return functional.cross_entropy(outputs, target)


@cache
def data() -> dict[str, tuple[Tensor, Tensor]]:
    """Images (N, 8, 8, 1) of 0 to 16 and labels (N,) of each split; the same every time."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    images = torch.from_numpy(digits.images).to(torch.uint8)[order, ..., None]
    labels = torch.from_numpy(digits.target)[order]
    ends = {"train": (0, 1097), "calibration": (1097, 1297), "validation": (1297, 1797)}
    return {name: (images[a:b], labels[a:b]) for name, (a, b) in ends.items()}


def network() -> nn.Module:
    """A small convolutional net for ten classes."""
    layers: list[nn.Module] = []
    for before, after, stride in [(1, 32, 1), (32, 64, 1), (64, 64, 2), (64, 128, 1)]:
        layers.append(nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def train(net: nn.Module) -> None:
    """A few seconds, the same every time."""
    pixels, labels = data()["train"]
    images = pixels.permute(0, 3, 1, 2).float() / 8 - 1  # as `preprocess` says
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    net.train()
    for _ in range(SETTINGS["epochs"]):
        for rows in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            loss(net(images[rows]), labels[rows]).backward()
            optimizer.step()
