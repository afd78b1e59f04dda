"""What every step of a run works with: the recipe, the task, the run folder and the targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline import evaluate
from pipeline.console import Console
from pipeline.graph import Graph, trace
from pipeline.recipe import LoadedRecipe
from pipeline.task import Task
from pipeline.workspace import Workspace
from targets import target as targets_by_name
from targets.device import DeviceProfile
from targets.measurement import TimingRule
from targets.target import Target


@dataclass(frozen=True)
class Desk:
    """The context of one run. Everything in it stands still while the run goes on."""

    loaded: LoadedRecipe
    task: Task
    device: DeviceProfile
    targets: Mapping[str, Target]
    workspace: Workspace
    console: Console
    rule: TimingRule

    @cached_property
    def dense(self) -> Graph:
        """The traced dense model; made on first need, since a finished run needs it no more."""
        return trace(self.task.build(), self.task.example_inputs())
