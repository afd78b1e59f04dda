import torch
from torch import nn

metrics = ["accuracy"]


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def example_inputs():
    return (torch.zeros(1, 4),)


def batches(split):
    sizes = {"train": 5, "calibration": 4, "validation": 3}
    for _ in range(2):
        yield torch.ones(sizes[split], 4), torch.zeros(sizes[split], dtype=torch.long)


def loss(outputs, target):
    return nn.functional.cross_entropy(outputs, target)
