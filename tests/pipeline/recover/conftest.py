"""A task of a few hundred 8×8 digits and a small net, which trains within a second or two."""

from dataclasses import dataclass

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from pipeline.graph import trace
from pipeline.metrics import Accuracy
from pipeline.recipe import Distill, Recover
from pipeline.recover import recover


class Net(nn.Module):
    """Batch norms of unusual epsilon and momentum, and a dropout of unusual rate."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(16, eps=1e-2, momentum=0.3)
        self.second = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(32)
        self.dropout = nn.Dropout(0.125)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.relu(self.first_norm(self.first(x)))
        x = torch.relu(self.second_norm(self.second(x)))
        return self.head(self.dropout(x.mean(dim=(2, 3))))


def cross_entropy(outputs, target):
    return functional.cross_entropy(outputs, target)


@dataclass
class DigitsTask:
    """The digits in two splits, always in the same order."""

    loss: object = cross_entropy
    metric: object = Accuracy
    train_count: int = 512

    def batches(self, split):
        digits = load_digits()
        images = torch.from_numpy(digits.images).float()[:, None] / 8 - 1
        labels = torch.from_numpy(digits.target)
        start, stop = (0, self.train_count) if split == "train" else (1000, 1400)
        for row in range(start, stop, 32):
            rows = slice(row, min(row + 32, stop))
            yield (images[rows],), labels[rows]

    def metrics(self):
        return [self.metric()]


def silent(message, fraction):
    assert message
    assert 0 <= fraction < 1


@pytest.fixture(scope="session")
def task():
    return DigitsTask()


@pytest.fixture(scope="session")
def teacher(task):
    torch.manual_seed(0)
    untrained = trace(Net(), (torch.zeros(1, 1, 8, 8),))
    settings = Recover(epochs=12, learning_rate=1e-2)
    return recover(untrained, untrained, task, settings, silent).graph


@pytest.fixture
def settings():
    return Recover(epochs=2, learning_rate=5e-3, distill=Distill(temperature=4.0, weight=0.9))
