"""What widths and blocks of the dense model lose, measured once: every plan is decided by it.

The sensitivity of groups, the divergence of blocks and the model's sites: steps of the workspace,
which no budget changes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from pipeline import pruning, stages
from pipeline.cost.reading import read
from pipeline.cost.sites import Model
from pipeline.desk import Desk
from pipeline.graph.groups import survey
from pipeline.prune import BlockEvidence, measure_blocks
from pipeline.prune.importance import observe
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
        scores: per group what each of its channels is worth; none: every plan observes it.
    """

    model: Model
    sensitivity: Sensitivity
    blocks: BlockEvidence
    steps: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def measured(desk: Desk, parent: Path, settings: Prune) -> Losses:
    """What widths and blocks lose, made on first need.

    Args:
        desk: what the run works with.
        parent: the dense candidate.
        settings: the prune step.
    """
    sites = desk.workspace.step("sites", {"parent": parent.name}, lambda at: _read(desk, at))
    table = stages.sensitivity(desk, parent, settings.importance)
    importance = {"parent": parent.name, "importance": settings.importance}
    scores = stages.computed(
        desk, "importance", importance, lambda at: _weigh(desk, settings.importance, at)
    )
    blocks = stages.computed(desk, "blocks", {"parent": parent.name}, lambda at: _observe(desk, at))
    return Losses(
        Model.model_validate_json((sites / "sites.json").read_bytes()),
        stages.sensitivity_in(table),
        TypeAdapter(BlockEvidence).validate_json((blocks / "blocks.json").read_bytes()),
        (sites.name, table.name, blocks.name, scores.name),
        {
            name: tuple(own)
            for name, own in json.loads((scores / "importance.json").read_text()).items()
        },
    )


def _read(desk: Desk, folder: Path) -> None:
    atomic_write(folder / "sites.json", read(desk.dense).model.model_dump_json() + "\n")


def _weigh(desk: Desk, importance: str, folder: Path) -> None:
    evidence = observe(desk.dense, survey(desk.dense), importance, pruning.data_of(desk))
    found = {one.name: one.scores for one in evidence.groups}
    atomic_write(folder / "importance.json", json.dumps(found) + "\n")


def _observe(desk: Desk, folder: Path) -> None:
    evidence = measure_blocks(desk.dense, pruning.data_of(desk), progress=desk.console.progress)
    atomic_write(folder / "blocks.json", json.dumps(asdict(evidence)) + "\n")
