"""CIFAR-10-JPEG: the model, its data and its loss, as edgesmith asks for them.

The data are CIFAR-10's images as JPEG files (so figures are of CIFAR-10-JPEG, not of CIFAR-10) in
train.zip and test.zip, one folder per class, beside the trained weights, resnet20.safetensors. The
recipe holds none of them:

    edgesmith run recipes/cifar10 --set params.data=FOLDER

Training, calibration and validation images are all of train.zip and never the same. `validation`
says what a run is judged on: "train", the images kept back from train.zip, or "test", test.zip.
The network was trained on all of train.zip, the dense one therefore knows the images kept back,
and a run chooses its best epoch and its settings by what it is judged on. So: decide the recipe
with "train", and run it once more with "test" for the final figure alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from archive import CLASSES, SIDE, read
from model import ResNet20
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

BATCH = 128
CALIBRATION, VALIDATION = 512, 2000  # images of train.zip, or fewer where it is small
SMALLEST_SHARE = 5  # at most a fifth of train.zip is kept back for each
LARGEST_SHIFT = 4  # pixels
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # as in training
WEIGHTS = "resnet20.safetensors"
FILES = ("train.zip", "test.zip", WEIGHTS)

metrics = ["accuracy"]
preprocess = [
    {"source": "image", "color": "rgb", "height": SIDE, "width": SIDE, "dtype": "uint8"},
    {"op": "scale", "factor": 1 / 255},
    {"op": "normalize", "mean": MEAN, "std": DEVIATION},
    {"op": "layout", "to": "CHW"},
]
postprocess = [{"op": "softmax"}, {"op": "top_k", "k": 3, "labels": CLASSES}]


@dataclass
class Settings:
    """What configure() was given."""

    data: Path = Path()
    validation: str = "train"
    seed: int = 0


settings = Settings()


def configure(data: str | None = None, validation: str = "train", seed: int = 0) -> None:
    """data: the folder with train.zip, test.zip and the weights. validation: see above. seed: draws
    the images that calibrate and validate."""
    if data is None:
        raise ValueError(
            f"params.data is null; give the folder with {', '.join(FILES)}: "
            "--set params.data=FOLDER"
        )
    if validation not in ("train", "test"):
        raise ValueError(f"params.validation: found {validation!r}; allowed: train, test")
    missing = [name for name in FILES if not (Path(data) / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"params.data: {data} lacks {', '.join(missing)}; allowed: a folder with "
            f"{', '.join(FILES)}"
        )
    settings.data, settings.validation, settings.seed = Path(data), validation, seed
    train_part.cache_clear()


def build() -> torch.nn.Module:
    """The trained network."""
    net = ResNet20()
    path = settings.data / WEIGHTS
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path}: no weights of this network: {error}") from None
    return net.eval()


def example_inputs() -> tuple[Tensor, ...]:
    """An image as the model takes it, (1, 3, 32, 32): from the darkest colours to the brightest."""
    ends = [(-mean / std, (1 - mean) / std) for mean, std in zip(MEAN, DEVIATION, strict=True)]
    planes = [torch.linspace(*end, SIDE * SIDE).reshape(SIDE, SIDE) for end in ends]
    return (torch.stack(planes)[None],)


def batches(split: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels (N, 32, 32, 3) of bytes, as an app has them, and labels (N,)."""
    final = split == "validation" and settings.validation == "test"
    pixels, labels = read(settings.data / "test.zip") if final else train_part(split)
    for start in range(0, len(labels), BATCH):
        yield pixels[start : start + BATCH], labels[start : start + BATCH]


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the logits."""
    return functional.cross_entropy(outputs, target)


@cache
def train_part(split: str) -> tuple[Tensor, Tensor]:
    """Pixels and labels of a part of train.zip: drawn once, for a seed the same everywhere."""
    pixels, labels = read(settings.data / "train.zip")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(settings.seed))
    first = min(CALIBRATION, len(labels) // SMALLEST_SHARE)
    second = first + min(VALIDATION, len(labels) // SMALLEST_SHARE)
    rows = {
        "calibration": order[:first],
        "validation": order[first:second],
        "train": order[second:],
    }
    return pixels[rows[split]], labels[rows[split]]


def augment(images: Tensor) -> Tensor:
    """Training images (N, 3, 32, 32), each moved by a few pixels and half of them mirrored, by
    torch's random numbers."""
    count, _, height, width = images.shape
    padded = functional.pad(images, [LARGEST_SHIFT] * 4)
    top, left = torch.randint(2 * LARGEST_SHIFT + 1, (2, count))
    down = torch.arange(height)[None] + top[:, None]
    across = torch.arange(width)[None] + left[:, None]
    across = torch.where(torch.rand(count, 1) < 0.5, across.flip(1), across)
    rows = torch.arange(count)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[rows, down[:, :, None], across[:, None]]
    return moved.permute(0, 3, 1, 2)
