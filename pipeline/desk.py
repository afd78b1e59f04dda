"""What every step of a run works with: the recipe, the task, the run folder and the targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.console import Console
from pipeline.graph import Graph, trace
from pipeline.recipe import LoadedRecipe, Prune, Quantize, Recover, Step
from pipeline.task import Task
from pipeline.workspace import Workspace
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

    @property
    def prune(self) -> Prune | None:
        """The recipe's prune step."""
        step = self._step("prune")
        return step.prune if step else None

    @property
    def recover(self) -> Recover | None:
        """The recipe's recover step."""
        step = self._step("recover")
        return step.recover if step else None

    @property
    def quantize(self) -> Quantize | None:
        """The recipe's quantize step."""
        step = self._step("quantize")
        return step.quantize if step else None

    def _step(self, name: str) -> Step | None:
        return self.loaded.recipe.step(name)
