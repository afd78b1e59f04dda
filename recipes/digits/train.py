"""Trains the digits network from nothing and writes digits.safetensors beside this file.

    python recipes/digits/train.py

The same machine writes the same bytes every time: random numbers are seeded, and the number of
threads (which decides how sums are split, and so how they round) is fixed.
"""

import sys
import time

import torch
from model import DigitsNet
from safetensors.torch import save_file
from task import DEVIATION, MEAN, WEIGHTS, augment, loss, splits
from torch import Tensor, nn
from torch.nn import functional

EPOCHS = 30
BATCH = 64
LEARNING_RATE = 2e-3
THREADS = 2


def train() -> nn.Module:
    """A trained network, in eval mode."""
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    net = DigitsNet().to(memory_format=torch.channels_last)
    images, labels = prepared("train")
    steps = len(labels) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * steps)
    for epoch in range(EPOCHS):
        started = time.perf_counter()
        net.train()
        for rows in torch.randperm(len(labels))[: steps * BATCH].view(steps, BATCH):
            optimizer.zero_grad()
            loss(net(augment(images[rows])), labels[rows]).backward()
            optimizer.step()
            schedule.step()
        seconds = time.perf_counter() - started
        print(
            f"epoch {epoch + 1:2}/{EPOCHS}  {accuracy(net):.4f}  {seconds:.1f} s", file=sys.stderr
        )
    return net.eval()


def prepared(split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 32, 32) and labels (N,): what `preprocess` in task.py says, done by torch."""
    images, labels = splits()[split]
    pixels = images.permute(0, 3, 1, 2).float() / 16
    larger = functional.interpolate(pixels, size=(32, 32), mode="bilinear", align_corners=False)
    return (larger - MEAN) / DEVIATION, labels


@torch.no_grad()
def accuracy(net: nn.Module) -> float:
    """The share of validation images that the network gets right."""
    net.eval()
    images, labels = prepared("validation")
    return (net(images).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    trained = train()
    weights = {name: tensor.contiguous() for name, tensor in trained.state_dict().items()}
    save_file(weights, WEIGHTS)
    print(f"{WEIGHTS.name}: validation accuracy {accuracy(trained):.4f}")
