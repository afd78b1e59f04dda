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


def build() -> torch.nn.Module:
    """The trained network."""
    net = DigitsNet()
    net.load_state_dict(load_file(WEIGHTS))
    return net.eval()


def example_inputs() -> tuple[Tensor, ...]:
    """One image of the calibration split, (1, 1, 32, 32)."""
    images, _ = splits()["calibration"]
    return (images[:1],)


def batches(split: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, 1, 32, 32) and labels (N,); those of "train" are shifted at random."""
    images, labels = splits()[split]
    for start in range(0, len(labels), BATCH):
        batch = images[start : start + BATCH]
        yield (shifted(batch) if split == "train" else batch), labels[start : start + BATCH]


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
    images, labels = enlarged(digits.images), torch.from_numpy(digits.target)
    rows = {name: drawn.permutation(np.concatenate(part)) for name, part in chosen.items()}
    return {name: (images[row], labels[row]) for name, row in rows.items()}


def enlarged(pixels: np.ndarray) -> Tensor:
    """Images (N, 8, 8) of 0 to 16, as normalised images (N, 1, 32, 32)."""
    images = torch.from_numpy(pixels).float()[:, None] / 16
    images = functional.interpolate(images, size=(32, 32), mode="bilinear", align_corners=False)
    return (images - MEAN) / DEVIATION


def shifted(images: Tensor) -> Tensor:
    """Each image moved by a few pixels, drawn from torch's random numbers."""
    background = -MEAN / DEVIATION
    padded = functional.pad(images, [LARGEST_SHIFT] * 4, value=background)
    offsets = torch.randint(2 * LARGEST_SHIFT + 1, (len(images), 2)).tolist()
    height, width = images.shape[2:]
    moved = [
        image[:, top : top + height, left : left + width]
        for image, (top, left) in zip(padded, offsets, strict=True)
    ]
    return torch.stack(moved)
