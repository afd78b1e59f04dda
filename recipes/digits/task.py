"""Handwritten digits: the model, its data and its loss, as edgesmith asks for them."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from model import DigitsNet
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

WEIGHTS = Path(__file__).with_name("digits.safetensors")
VALIDATION_PER_CLASS = 80
CALIBRATION_PER_CLASS = 20
BATCH = 32
MEAN, DEVIATION = 0.306, 0.324  # of the training images, whose pixels lie between 0 and 1
LARGEST_SHIFT = 3  # pixels of the enlarged image, so less than one of the original 8×8

metrics = ["accuracy"]
preprocess = [
    {"source": "image", "color": "gray", "height": 8, "width": 8, "dtype": "uint8"},
    {"op": "resize", "height": 32, "width": 32, "method": "bilinear"},
    {"op": "scale", "factor": 1 / 16},
    {"op": "normalize", "mean": [MEAN], "std": [DEVIATION]},
    {"op": "layout", "to": "CHW"},
]
postprocess = [{"op": "softmax"}, {"op": "top_k", "k": 3, "labels": list("0123456789")}]


def build() -> torch.nn.Module:
    """The trained network."""
    net = DigitsNet()
    net.load_state_dict(load_file(WEIGHTS))
    return net.eval()


def example_inputs() -> tuple[Tensor, ...]:
    """An image as the model takes it, (1, 1, 32, 32): from the darkest grey to the brightest."""
    darkest, brightest = -MEAN / DEVIATION, (1 - MEAN) / DEVIATION
    return (torch.linspace(darkest, brightest, 32 * 32).reshape(1, 1, 32, 32),)


def batches(split: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, 8, 8, 1) of 0 to 16, as an app has them, and labels (N,)."""
    images, labels = splits()[split]
    yield from zip(images.split(BATCH), labels.split(BATCH), strict=True)


def augment(images: Tensor) -> Tensor:
    """Training images (N, 1, 32, 32), each moved by a few pixels, drawn from torch's random
    numbers."""
    background = -MEAN / DEVIATION
    padded = functional.pad(images, [LARGEST_SHIFT] * 4, value=background)
    offsets = torch.randint(2 * LARGEST_SHIFT + 1, (len(images), 2)).tolist()
    height, width = images.shape[2:]
    moved = [
        image[:, top : top + height, left : left + width]
        for image, (top, left) in zip(padded, offsets, strict=True)
    ]
    return torch.stack(moved)


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the logits."""
    return functional.cross_entropy(outputs, target)


@cache
def splits() -> dict[str, tuple[Tensor, Tensor]]:
    """Images and labels of each split: stratified, the same everywhere; calibration is of train."""
    digits = load_digits()
    drawn = np.random.RandomState(0)  # its stream is frozen, so the split never changes
    by_class = [drawn.permutation(np.flatnonzero(digits.target == digit)) for digit in range(10)]
    first, second = VALIDATION_PER_CLASS, VALIDATION_PER_CLASS + CALIBRATION_PER_CLASS
    chosen = {
        "validation": [rows[:first] for rows in by_class],
        "calibration": [rows[first:second] for rows in by_class],
        "train": [rows[first:] for rows in by_class],
    }
    images = torch.from_numpy(digits.images.astype(np.uint8))[..., None]
    labels = torch.from_numpy(digits.target)
    rows = {name: drawn.permutation(np.concatenate(part)) for name, part in chosen.items()}
    return {name: (images[row], labels[row]) for name, row in rows.items()}
