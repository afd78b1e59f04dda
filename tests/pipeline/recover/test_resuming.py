"""Training that is cut off goes on as if it had not been."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pipeline.recipe import Distill, Recover
from pipeline.recover import checkpoint, recover
from pipeline.recover.chance import draw_on, drawn, seeded
from pipeline.recover.history import Epoch, Rate, Rates
from targets.errors import ArtifactError

ROOT = Path(__file__).parents[3]


class CutOff(Exception):
    pass


def silent(message, fraction):
    pass


def cut_off_in(epoch):
    def tell(message, fraction):
        if message.startswith(f"epoch {epoch}/"):
            raise CutOff

    return tell


def state(graph):
    return {name: tensor.clone() for name, tensor in graph.module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def longer():
    return Recover(epochs=3, learning_rate=5e-3, distill=Distill(temperature=4.0, weight=0.9))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_training_cut_off_in_any_epoch_ends_with_the_same_weights(
    task, teacher, longer, tmp_path, epoch
):
    whole = recover(teacher, teacher, task, longer, silent)
    with pytest.raises(CutOff):
        recover(teacher, teacher, task, longer, cut_off_in(epoch), checkpoints=tmp_path)
    torch.rand(7)
    again = recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)
    assert again.resumed_after == (epoch - 1 or None)
    assert same(state(whole.graph), state(again.graph))
    assert whole.history == again.history
    assert whole.training == again.training


def test_a_split_too_large_to_hold_goes_on_with_the_same_numbers(
    task, teacher, longer, tmp_path, monkeypatch
):
    monkeypatch.setattr("pipeline.recover.samples.MEMORY_BYTES", 50)
    noisy = Noisy(task)
    whole = recover(teacher, teacher, noisy, longer, silent)
    with pytest.raises(CutOff):
        recover(teacher, teacher, noisy, longer, cut_off_in(2), checkpoints=tmp_path)
    again = recover(teacher, teacher, noisy, longer, silent, checkpoints=tmp_path)
    assert same(state(whole.graph), state(again.graph))


class Noisy:
    """A task that augments by torch's numbers."""

    def __init__(self, task):
        self._task = task
        self.loss, self.metrics = task.loss, task.metrics

    def batches(self, split):
        for (images,), labels in self._task.batches(split):
            noise = torch.randn_like(images) / 10 if split == "train" else 0
            yield (images + noise,), labels


def test_generators_go_on_where_they_stood():
    import random

    import numpy as np

    def draw():
        return random.gauss(0, 1), random.random(), np.random.randn(3).tolist(), torch.rand(2)

    with seeded(3):
        draw()  # an odd number of normal numbers: one is kept for the next call
        kept = drawn()
        first = draw()
        draw()
        draw_on(kept)
        again = draw()
    assert first[:3] == again[:3]
    assert torch.equal(first[3], again[3])


def test_a_finished_training_is_only_read(task, teacher, longer, tmp_path):
    first = recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)
    said = []
    again = recover(
        teacher, teacher, task, longer, lambda *told: said.append(told), checkpoints=tmp_path
    )
    assert said == []
    assert again.resumed_after == 3
    assert same(state(first.graph), state(again.graph))


def test_the_checkpoint_is_tensors_and_json(task, teacher, longer, tmp_path):
    recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)
    (file,) = tmp_path.iterdir()
    with safe_open(file, framework="pt") as opened:
        progress = json.loads(opened.metadata()["progress"])
        parts = {name.partition(".")[0] for name in opened.keys()}  # noqa: SIM118
    assert [one["epoch"] for one in progress["history"]] == [0, 1, 2, 3]
    assert parts == {"weights", "best", "optimizer", "chance"}


def test_a_damaged_checkpoint_is_named(task, teacher, longer, tmp_path):
    recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)
    path = tmp_path / checkpoint.FILE
    content = path.read_bytes()
    for damaged in (content[:1000], b"", b"x" * 64):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"training\.safetensors: not a checkpoint.*remove"):
            recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)


def test_another_models_checkpoint_is_refused(task, teacher, longer, tmp_path):
    recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)
    found = checkpoint.load(tmp_path)
    metadata = {"progress": found.progress.model_dump_json()}
    others = {
        name: tensor[:1] if "head" in name else tensor for name, tensor in found.tensors.items()
    }
    save_file({k: v.clone() for k, v in others.items()}, tmp_path / checkpoint.FILE, metadata)
    with pytest.raises(ArtifactError, match="another training"):
        recover(teacher, teacher, task, longer, silent, checkpoints=tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path[:0] = [{tests!r}]
from conftest import DigitsTask, Net
from pipeline.graph import trace
from pipeline.recipe import Recover
from pipeline.recover import recover
from safetensors.torch import save_file

def tell(message, fraction):
    if message.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

torch.manual_seed(0)
graph = trace(Net(), (torch.zeros(1, 1, 8, 8),))
folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
task = DigitsTask(train_count=128)
done = recover(graph, graph, task, Recover(epochs=3), tell, checkpoints=folder)
save_file(done.graph.module.state_dict(), folder / "end")
"""


@pytest.mark.slow  # four processes that import torch
def test_a_killed_process_ends_with_the_same_bytes(tmp_path):
    program = KILLED.format(tests=str(Path(__file__).parent))

    def run(folder, until):
        command = [sys.executable, "-c", program, str(folder), until]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, check=False
        ).returncode

    assert run(tmp_path / "whole", "never") == 0
    for number in (2, 3):
        assert run(tmp_path / "killed", f"epoch {number}/3") == -signal.SIGKILL
    assert run(tmp_path / "killed", "never") == 0
    assert (tmp_path / "killed" / "end").read_bytes() == (tmp_path / "whole" / "end").read_bytes()


def test_losses_that_are_no_numbers_are_kept(tmp_path):
    progress = checkpoint.Progress(
        history=(Epoch(0, math.inf, math.nan, 0.0), Epoch(1, 0.1 + 0.2, 1 / 3, 1e-7)),
        best=1, rates=Rates(2, [Rate(1, 1e-3)], 1e-7, 0.3), seconds=1 / 7, validation_s=0.1,
        count=1, held=True,
    )  # fmt: skip
    checkpoint.Checkpoint(progress, {"a.b": torch.ones(2)}).save(tmp_path)
    found = checkpoint.load(tmp_path)
    assert math.isinf(found.progress.history[0].loss)
    assert math.isnan(found.progress.history[0].metric)
    assert found.progress.history[1] == progress.history[1]
    assert found.progress.rates == progress.rates
    assert found.progress.seconds == 1 / 7
    assert list(found.part("a")) == ["b"]
