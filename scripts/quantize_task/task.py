"""The nets that quantization is measured on besides ResNet-20, all on digits, as edgesmith asks.

`mobile`: inverted residuals. `vit`: a transformer on patches. `hostile`: convolutions, channels
rescaled by up to 100 across ReLUs. `detector`: four numbers of ranges from 1 to 1,000, from
one linear layer. Each is trained on its first use and kept in the folder `weights`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import torch
from nets import Detector, Mobile, Plain, Vit, rescale
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

RANGES = torch.tensor([1.0, 10.0, 100.0, 1000.0])
NETS: Mapping[str, Callable[[], nn.Module]] = {
    "mobile": Mobile, "vit": Vit, "hostile": Plain, "detector": Detector
}  # fmt: skip
BATCH = 64
PLACES = (-2, 0, 2)
"""Pixels that validation images are moved by, down and across."""
settings = {"kind": "mobile", "weights": Path(), "epochs": 30}


class Error:
    """The mean absolute error, each number in units of its range."""

    name = "mean_absolute_error"
    higher_is_better = False

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Of a batch (N, 4)."""
        self._sum += ((outputs - target).abs() / RANGES).sum().item()
        self._count += target.numel()

    def compute(self) -> float:
        """Over all batches."""
        return self._sum / max(1, self._count)


metrics: list[object] = ["accuracy"]


def configure(kind: str, weights: str, epochs: int) -> None:
    """Chooses the net, the folder that keeps its weights, and how long it is trained."""
    settings.update(kind=kind, weights=Path(weights), epochs=epochs)
    metrics[:] = [Error] if kind == "detector" else ["accuracy"]


def build() -> nn.Module:
    """The trained network."""
    kind, epochs = str(settings["kind"]), settings["epochs"]
    path = Path(str(settings["weights"])) / f"{kind}-{epochs}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(trained(kind, int(str(epochs))).state_dict(), path)
    net = NETS[kind]()
    net.load_state_dict(load_file(path))
    return rescale(net.eval()) if isinstance(net, Plain) else net.eval()


def trained(kind: str, epochs: int) -> nn.Module:
    """AdamW on a one-cycle schedule, on shifted images."""
    torch.manual_seed(0)
    net = NETS[kind]().train()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.01)
    steps = epochs * len(list(batches("train")))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for _ in range(epochs):
        for images, target in batches("train"):
            optimizer.zero_grad()
            loss(net(images), target).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return net.eval()


def example_inputs() -> tuple[Tensor, ...]:
    """One image, (1, 1, 32, 32)."""
    return (splits()["calibration"][0][:1],)


def batches(split: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, 1, 32, 32), and labels (N,) or four numbers (N, 4)."""
    images, labels = splits()[split]
    order = torch.randperm(len(labels)) if split == "train" else torch.arange(len(labels))
    for rows in order.split(BATCH):
        shown = shifted(images[rows]) if split == "train" else images[rows]
        detects = settings["kind"] == "detector"
        yield shown, found(shown) if detects else labels[rows]


def found(images: Tensor) -> Tensor:
    """What a detector is to say: the ink, its centre's place down and across, and its spread, in
    ranges of 1, 10, 100 and 1,000."""
    ink = (images[:, 0] + 1).clamp_min(0)
    whole = ink.sum((1, 2)).clamp_min(1e-6)
    places = torch.linspace(0, 1, images.shape[-1])
    down = (ink.sum(2) * places).sum(1) / whole
    across = (ink.sum(1) * places).sum(1) / whole
    spread = (ink.sum(1) * (places[None] - across[:, None]).abs()).sum(1) / whole
    return torch.stack([whole / 1024, down, across, spread * 4], 1) * RANGES


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, or the absolute error in units of each number's range."""
    if settings["kind"] == "detector":
        return functional.l1_loss(outputs / RANGES, target / RANGES)
    return functional.cross_entropy(outputs, target)


@cache
def splits() -> dict[str, tuple[Tensor, Tensor]]:
    """Images and labels of each split, in a fixed order; calibration is of train.

    Validation shows each of 800 images in nine places, as training does in any: one image more or
    less is then 0.014% of the accuracy, and not 0.125%.
    """
    digits = load_digits()
    images = torch.from_numpy(digits.images).float()[:, None] / 8 - 1
    images = functional.interpolate(images, size=(32, 32), mode="bilinear", align_corners=False)
    labels = torch.from_numpy(digits.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    rows = {"train": order[800:], "calibration": order[800:1056], "validation": order[:800]}
    found = {name: (images[row], labels[row]) for name, row in rows.items()}
    seen, named = found["validation"]
    moved = [seen.roll((down, across), (2, 3)) for down in PLACES for across in PLACES]
    return {**found, "validation": (torch.cat(moved), named.repeat(len(moved)))}


def shifted(images: Tensor) -> Tensor:
    """All of a batch moved by up to three pixels."""
    down, across = torch.randint(-3, 4, (2,)).tolist()
    return images.roll((down, across), (2, 3))
