"""Trains the spoken-digits network from nothing and writes SPLIT.safetensors beside this file.

    python recipes/spoken_digits/train.py PATH/recordings.zip official
    python recipes/spoken_digits/train.py PATH/recordings.zip speaker

The weights are written in half precision, which costs no accuracy and halves the file. The same
machine writes the same bytes every time: random numbers are seeded, and the number of
threads (which decides how sums are split, and so how they round) is fixed. Nothing is chosen by
the validation or the test part: the weights are those of the last epoch.
"""

import sys
import time

import torch
from front_end import log_mel
from model import SpokenDigitsNet
from safetensors.torch import save_file
from task import augment, build, configure, loss, part, weights
from torch import Tensor, nn

EPOCHS = 40
BATCH = 64
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.05
SMOOTHING = 0.1
SEED = 0
THREADS = 1


def train() -> nn.Module:
    """A trained network, in eval mode."""
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    net = SpokenDigitsNet().to(memory_format=torch.channels_last)
    maps, labels = heard("train")
    steps = len(labels) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * steps)
    judge = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    for epoch in range(EPOCHS):
        started = time.perf_counter()
        net.train()
        for rows in torch.randperm(len(labels))[: steps * BATCH].view(steps, BATCH):
            optimizer.zero_grad()
            judge(net(augment(maps[rows])), labels[rows]).backward()
            optimizer.step()
            schedule.step()
        told = f"epoch {epoch + 1:2}/{EPOCHS}  {time.perf_counter() - started:.1f} s"
        print(told, file=sys.stderr, flush=True)
    return net.eval()


def heard(name: str) -> tuple[Tensor, Tensor]:
    """Maps (N, 1, 64, 32) and labels (N,) of a part."""
    samples, labels = part(name)
    maps = [torch.from_numpy(log_mel(one.numpy())) for one in samples]
    return torch.stack(maps)[:, None], labels


def save(net: nn.Module) -> None:
    """Writes the weights; counts stay whole numbers."""
    state = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    floats = {name: one.half() for name, one in state.items() if one.is_floating_point()}
    save_file({**state, **floats}, weights())


@torch.no_grad()
def score(net: nn.Module, name: str) -> str:
    """Accuracy and loss on a part."""
    maps, labels = heard(name)
    outputs = net(maps)
    right = (outputs.argmax(1) == labels).float().mean().item()
    return f"{name} accuracy {right:.4f}, loss {loss(outputs, labels).item():.4f}"


if __name__ == "__main__":
    configure(*sys.argv[1:3])
    save(train())
    trained = build()
    print(f"{weights().name}: {score(trained, 'validation')}; {score(trained, 'test')}")
