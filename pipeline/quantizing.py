"""From a quantize step to a plan: the stages between a shaped candidate and its int8 artifacts.

Each leaves a candidate with its plan beside it (`quant_plan.json`), which exporting takes as it is.
"""

import shutil
from pathlib import Path

import torch

from pipeline import candidate as candidates
from pipeline.desk import Desk
from pipeline.disk import atomic_write, make_folder
from pipeline.prune import masks_of
from pipeline.quantize import QuantPlan
from pipeline.quantize.simulate import freeze, learnt, simulate
from pipeline.recipe import Recover
from pipeline.recover import Settling, recover
from pipeline.recovering import HISTORY, history_of

PLAN = "quant_plan.json"
TRAINED = "qat.json"
MIDWAY = 0.5
"""The share of the training after which ranges and batch statistics stand still (as Krishnamoorthi
2018, section 3.2.2 has it for the statistics)."""


def train(desk: Desk, parent: Path, settings: Recover) -> Path:
    """The candidate in a folder, which holds its plan, trained with that plan's rounding in it.

    The new folder's plan has the scales that were learnt, and `qat.json` tells of the training as
    history.json does of recovery.

    Raises:
        TaskError: see `recover`.
        ArtifactError: a checkpoint that can't be read.
    """

    def work(folder: Path, begun: Path) -> None:
        _train_into(desk, parent, settings, folder, begun)

    inputs = {
        "parent": parent.name,
        "settings": settings.model_dump(mode="json"),
        "threads": torch.get_num_threads(),
    }
    return desk.workspace.long_step("qat", inputs, work)


def _train_into(desk: Desk, parent: Path, settings: Recover, folder: Path, begun: Path) -> None:
    before = candidates.load(parent, desk.dense)
    plan = QuantPlan.load(parent / PLAN)
    make_folder(begun)
    done = recover(
        simulate(before.graph, plan),
        desk.dense,
        desk.task,
        settings,
        desk.console.progress,
        masks_of(before.plans[-1].weights) if before.plans else None,
        checkpoints=begun,
        settling=Settling(MIDWAY, freeze),
    )
    if done.resumed_after is not None:
        desk.console.remark(f"went on after epoch {done.resumed_after}, where it was cut off")
    graph, trained = learnt(done.graph, before.graph, plan)
    before.with_graph(graph, f"quantization-aware training: {settings.told}").save(folder)
    trained.save(folder / PLAN)
    atomic_write(folder / TRAINED, history_of(done))
    _keep_history(parent, folder)


def _keep_history(parent: Path, folder: Path) -> None:
    """Takes along what is told of the recovery before."""
    if (parent / HISTORY).exists():
        shutil.copyfile(parent / HISTORY, folder / HISTORY)
