"""What widths and blocks of the dense model lose, measured once: every plan is decided by it.

The sensitivity of groups, the divergence of blocks and the model's sites: steps of the workspace,
which no budget changes.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from pipeline import pruning, stages
from pipeline.cost.reading import read
from pipeline.cost.sites import Model
from pipeline.desk import Desk
from pipeline.prune import BlockEvidence
from pipeline.prune.block_probing import measure_blocks
from pipeline.prune.sensitivity import Sensitivity
from pipeline.recipe import Prune
from pipeline.workspace import atomic_write


@dataclass(frozen=True)
class Losses:
    """What is known of the dense model besides what it costs.

    Attributes:
        model: its sites.
        sensitivity: per group and width, after repair.
        blocks: per block, and what they overlap with.
        steps: the folders that these came from, as a plan's key.
    """

    model: Model
    sensitivity: Sensitivity
    blocks: BlockEvidence
    steps: tuple[str, ...]


def measured(desk: Desk, parent: Path, settings: Prune) -> Losses:
    """What widths and blocks lose, made on first need.

    Args:
        desk: what the run works with.
        parent: the dense candidate.
        settings: the prune step.
    """
    sites = desk.workspace.step("sites", {"parent": parent.name}, lambda at: _read(desk, at))
    table = stages.sensitivity(desk, parent, settings.importance)
    blocks = stages.computed(desk, "blocks", {"parent": parent.name}, lambda at: _observe(desk, at))
    return Losses(
        Model.model_validate_json((sites / "sites.json").read_bytes()),
        stages.sensitivity_in(table),
        TypeAdapter(BlockEvidence).validate_json((blocks / "blocks.json").read_bytes()),
        (sites.name, table.name, blocks.name),
    )


def _read(desk: Desk, folder: Path) -> None:
    atomic_write(folder / "sites.json", read(desk.dense).model.model_dump_json() + "\n")


def _observe(desk: Desk, folder: Path) -> None:
    evidence = measure_blocks(desk.dense, pruning.data_of(desk), progress=desk.console.progress)
    atomic_write(folder / "blocks.json", json.dumps(asdict(evidence)) + "\n")
