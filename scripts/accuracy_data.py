"""CIFAR-10 as JPEG files and its trained ResNet-20, as the accuracy benchmark asks for them."""

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from pipeline.metrics import Accuracy, Metric

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
CALIBRATION, VALIDATION = 512, 2000  # both of the training images
BATCH = 128
LARGEST_SHIFT = 4
Pixels = npt.NDArray[np.uint8]


class Block(nn.Module):
    """Two 3×3 convolutions; the shortcut is cut to every second pixel and padded with zeroes."""

    def __init__(self, incoming: int, inner: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, inner, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outgoing, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outgoing)
        self.grown = outgoing - incoming

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.grown:
            before = self.grown // 2
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.grown - before))
        return functional.relu(y + x)


class ResNet20(nn.Module):
    """He et al. 2016, "Deep Residual Learning", section 4.2, with widths as given."""

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 64)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(widths[0], widths[0], 1)
        self.layer2 = _stage(widths[0], widths[1], 2)
        self.layer3 = _stage(widths[1], widths[2], 2)
        self.linear = nn.Linear(widths[2], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def _stage(incoming: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        Block(incoming, width, width, stride),
        Block(width, width, width, 1),
        Block(width, width, width, 1),
    )


def trained(folder: Path) -> ResNet20:
    """The trained network."""
    net = ResNet20()
    net.load_state_dict(load_file(folder / "resnet20.safetensors"))
    return net.eval()


@dataclass(frozen=True)
class Split:
    """Images (N, 32, 32, 3) of bytes, and labels (N,) in the order of the classes' names."""

    pixels: Pixels
    labels: npt.NDArray[np.int64]

    def some(self, rows: npt.NDArray[np.int64]) -> "Split":
        """These rows alone."""
        return Split(self.pixels[rows], self.labels[rows])

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Normalised images (N, 3, 32, 32), and labels."""
        images = torch.from_numpy(self.pixels).permute(0, 3, 1, 2).float() / 255
        return (images - MEAN) / DEVIATION, torch.from_numpy(self.labels)


def read(folder: Path, name: str) -> Split:
    """A split, decoded once and cached in the temporary directory."""
    archive = folder / f"{name}.zip"
    state = archive.stat()
    key = f"{archive.resolve()} {state.st_size} {state.st_mtime_ns}".encode()
    cache = Path(tempfile.gettempdir()) / f"edgesmith-{hashlib.sha256(key).hexdigest()[:16]}.npz"
    if not cache.exists():
        pixels, labels = _decode(archive)
        partial = cache.with_suffix(".part.npz")
        np.savez(partial, pixels=pixels, labels=labels)
        partial.replace(cache)
    with np.load(cache, allow_pickle=False) as found:
        return Split(found["pixels"], found["labels"])


def _decode(archive: Path) -> tuple[Pixels, npt.NDArray[np.int64]]:
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".jpg"))
        classes = sorted({name.split("/")[0] for name in names})
        images = [Image.open(io.BytesIO(opened.read(name))).convert("RGB") for name in names]
    labels = [classes.index(name.split("/")[0]) for name in names]
    return np.stack([np.asarray(image) for image in images]), np.array(labels, np.int64)


class CifarTask:
    """The data as recovery asks for them. Calibration, validation and training images are all of
    the training archive and never the same; the test archive is for the final figure alone."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._train = read(folder, "train")
        self._order = np.random.default_rng(seed).permutation(len(self._train.labels))
        self._test = read(folder, "test")

    def batches(self, split: str) -> Iterator[tuple[tuple[Tensor, ...], object]]:
        """Normalised images and labels; those of "train" are shifted and flipped at random."""
        images, labels = self._split(split).tensors()
        if split == "train":
            images = augmented(images)
        for at in range(0, len(labels), BATCH):
            yield (images[at : at + BATCH],), labels[at : at + BATCH]

    def _split(self, split: str) -> Split:
        if split == "test":
            return self._test
        first, second = CALIBRATION, CALIBRATION + VALIDATION
        rows = {
            "calibration": self._order[:first],
            "validation": self._order[first:second],
            "train": self._order[second:],
        }
        return self._train.some(rows[split])

    def metrics(self) -> list[Metric]:
        """Accuracy alone."""
        return [Accuracy()]

    def loss(self, outputs: object, target: object) -> Tensor:
        """Cross-entropy of the logits."""
        assert isinstance(outputs, Tensor)
        assert isinstance(target, Tensor)
        return functional.cross_entropy(outputs, target)


def augmented(images: Tensor, shift: int = LARGEST_SHIFT) -> Tensor:
    """Each image moved by up to `shift` pixels, and half of them mirrored, by torch's numbers."""
    count, _, height, width = images.shape
    padded = functional.pad(images, [shift] * 4)
    top, left = torch.randint(2 * shift + 1, (2, count))
    down = torch.arange(height)[None] + top[:, None]
    across = torch.arange(width)[None] + left[:, None]
    mirrored = torch.rand(count) < 0.5
    across = torch.where(mirrored[:, None], across.flip(1), across)
    rows = torch.arange(count)[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows, down[:, :, None], across[:, None]].permute(0, 3, 1, 2)
