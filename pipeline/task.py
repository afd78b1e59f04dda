"""The task: the user's model, data and loss, loaded from task.py and checked before any work."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import cast

import torch
from torch import Tensor, nn

from pipeline import folding, task_metrics, task_processing
from pipeline import task_checks as checks
from pipeline.metrics import Metric
from pipeline.nearest import advice
from pipeline.processing.declared import NOTHING
from pipeline.recipe import LoadedRecipe
from pipeline.task_faults import at, displayed, user_code
from pipeline.task_functions import REQUIRED, check_functions, configure, first_line
from pipeline.task_modules import import_file, recording
from targets.errors import TaskError

SPLITS = ("train", "calibration", "validation")

Loss = Callable[[object, object], Tensor]


class Task:
    """A loaded task. Whatever its functions raise becomes a TaskError with the user's own line.

    Attributes:
        file: task.py itself.
        params: what configure() was given.
        declared: what is done to inputs and outputs.
        files: every file below the task's folder that it imported or, through Python, opened.
    """

    def __init__(self, module: ModuleType, file: Path, params: Mapping[str, object]) -> None:
        """Takes an imported module that has all its functions; load() sees to that."""
        self.file = file
        self.params = dict(params)
        self.declared = NOTHING
        self.files: tuple[Path, ...] = ()
        self._module = module
        self._makers = task_metrics.factories(vars(module).get("metrics"), file)
        self._built: nn.Module | None = None
        self._identity: dict[str, object] = {}

    def build(self) -> nn.Module:
        """The user's trained model, on the CPU in eval mode, with what is folded into it.

        torch's random numbers are seeded for it, so that a layer that is initialised at random is
        the same every time.

        Raises TaskError for no module, or weights that are not finite.
        """
        if self._built is not None:
            built, self._built = self._built, None
            return built
        return folding.into(self._trained(), self.declared)

    def example_inputs(self) -> tuple[Tensor, ...]:
        """A batch of 1; TaskError for anything but a tuple of finite tensors."""
        return folding.before(self._example(), self.declared)

    def batches(self, split: str) -> Iterator[tuple[tuple[Tensor, ...], object]]:
        """Inputs and target of "train", "calibration" or "validation", batch by batch, as the
        model takes them: what the task declares of them is done.

        Raises TaskError for an empty split, and for inputs unlike example_inputs() or not finite.
        """
        like = self.example_inputs()
        for item, place in self._batches(split):
            prepared = task_processing.prepared(item, self.declared, place)
            checked, target = checks.batch(prepared, like, place)
            if split == "train" and self._augments:
                checked, target = checks.batch((self._augmented(checked), target), like, place)
            yield checked, target

    def sources(self, split: str) -> Iterator[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """What the app would have, and what the model takes of it, batch by batch: samples on
        axis 0. Samples of several sizes come one by one."""
        like = self.example_inputs()
        for item, place in self._batches(split):
            for raw in task_processing.sources(item, self.declared):
                prepared = task_processing.prepared((raw, None), self.declared, place)
                yield raw, checks.batch(prepared, like, place)[0]

    def _batches(self, split: str) -> Iterator[tuple[object, str]]:
        """The task's own batches, and what to call each in a message."""
        place = f"{displayed(self.file)}: batches('{split}')"
        stream = self._iterator(split, place)
        number = 0
        for number, item in enumerate(self._items(stream, split), 1):
            yield item, f"{place}: batch {number}"
        if number == 0:
            raise TaskError(f"{place}: the split is empty; allowed: at least one batch")

    @property
    def _augments(self) -> bool:
        """Batches that are augmented by themselves are what the model takes, not what an app has:
        so there is a place for it where the app's values are declared."""
        return any(self.declared.inputs) and "augment" in vars(self._module)

    def _augmented(self, inputs: tuple[Tensor, ...]) -> object:
        found = self._call("augment", *inputs)
        return found if isinstance(found, tuple) else (found,)

    def _trained(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return checks.module(self._call("build"), self.file)

    def _example(self) -> tuple[Tensor, ...]:
        return checks.example(self._call("example_inputs"), self.file)

    @property
    def loss(self) -> Loss | None:
        """The user's loss(outputs, target), or None where the task has none."""
        return self._loss if "loss" in vars(self._module) else None

    def metrics(self) -> list[Metric]:
        """New metrics, in the task's order; they see what an app would get where they ask for it,
        and accuracy where it comes to one class."""
        return [task_processing.measuring(make(), self.declared) for make in self._makers]

    def identity(self) -> dict[str, object]:
        """What the task's results depend on, as JSON can hold it: files, weights and params.

        Names are relative to the task's folder, so a clone elsewhere has the same identity. The
        weights count by their values, wherever they came from.
        """
        return dict(self._identity)

    def check(self, splits: Sequence[str]) -> None:
        """Runs the model once, draws the first batch of each split, and notes all that was read.

        Raises TaskError for whatever build, example_inputs, forward or batches do wrong.
        """
        with recording(self.file.parent) as opened, torch.random.fork_rng(devices=[]):
            built = self._trained()
            inputs = self._example()
            with user_code("the model's forward", self.file), torch.no_grad():
                found = built(*inputs)
            checks.outputs(found, self.file)
            self.declared = task_processing.read(
                vars(self._module), built, inputs, found, displayed(self.file)
            )
            built = folding.into(built, self.declared)
            for split in splits:
                next(self.batches(split))
        self._built = built
        self.files = tuple(sorted({*self.files, *opened}))
        self._identity = {
            "files": {_name(file, self.file): _digest(file) for file in self.files},
            "weights": checks.weights_digest(built),
            "params": self.params,
        }

    def _loss(self, outputs: object, target: object) -> Tensor:
        found = self._call("loss", outputs, target)
        if not isinstance(found, Tensor) or found.numel() != 1:
            kind = (
                f"shape {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            )
            raise TaskError(f"{self._place('loss')}: loss() gave {kind}; allowed: a scalar tensor")
        return found

    def _iterator(self, split: str, place: str) -> Iterator[object]:
        found = self._call("batches", split)
        if not hasattr(found, "__iter__"):
            told = "nothing (None)" if found is None else type(found).__name__
            raise TaskError(f"{place}: found {told}; allowed: an iterable of (inputs, target)")
        with user_code(f"batches('{split}')", self.file):
            return iter(cast("Iterator[object]", found))

    def _items(self, stream: Iterator[object], split: str) -> Iterator[object]:
        end = object()
        while True:
            with user_code(f"batches('{split}')", self.file):
                item = next(stream, end)
            if item is end:
                return
            yield item

    def _call(self, name: str, *arguments: object) -> object:
        function = vars(self._module)[name]
        with user_code(f"{name}()", self.file, first_line(function)):
            return function(*arguments)

    def _place(self, name: str) -> str:
        return at(self.file, first_line(vars(self._module)[name]))


def load(
    folder: Path,
    file: str | Path,
    params: Mapping[str, object],
    splits: Sequence[str] = ("calibration", "validation"),
) -> Task:
    """Imports folder/file, calls configure(**params) once, and checks all that a task must be.

    Args:
        folder: the recipe's folder.
        file: the task's file in it.
        params: the recipe's params.
        splits: the splits that will be needed; the first batch of each is drawn.

    Raises TaskError with the user's own file, line and function.
    """
    path = folder.resolve() / file
    if not path.is_file():
        raise TaskError(f"{displayed(path)}: no such file; a task defines {', '.join(REQUIRED)}")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise TaskError(f"{displayed(path)}: can't be imported; allowed: a name such as task.py")
    with recording(path.parent) as opened:
        with user_code("importing the task", path):
            module = import_file(path)
        check_functions(module, path)
        configure(module, path, params)
    task = Task(module, path, params)
    task.files = tuple(sorted(opened))
    task.check(splits)
    return task


def load_for(loaded: LoadedRecipe) -> Task:
    """The task of a recipe, with what the recipe asks of it: its metric, and a loss to recover by.

    Raises TaskError as load() does, and RecipeError naming the recipe's line.
    """
    recipe = loaded.recipe
    trains = any(step.trains for step in recipe.steps)
    splits = SPLITS if trains else SPLITS[1:]
    task = load(loaded.folder, recipe.task, recipe.params, splits)
    names = [metric.name for metric in task.metrics()]
    limits = recipe.budget.metric
    if limits is not None and limits.name not in names:
        told = f"found '{limits.name}', which {recipe.task} does not measure"
        raise loaded.error(("budget", "metric", "name"), f"{told}; {advice(limits.name, names)}")
    if task.loss is None:
        _need_no_loss(loaded)
    return task


def _need_no_loss(loaded: LoadedRecipe) -> None:
    """A step that can't do without a loss is refused at its line."""
    hint = f"and {loaded.recipe.task} has none; define loss(outputs, target) there"
    for index, step in enumerate(loaded.recipe.steps):
        if step.prune is not None and step.prune.importance == "taylor":
            told = f"'taylor' needs a loss, {hint}"
            raise loaded.error(("steps", index, "prune", "importance"), told)
        if step.recover is not None and not step.recover.learns_from_teacher_alone:
            told = f"needs a loss, {hint}, or learn from the dense model alone (distill.weight: 1)"
            raise loaded.error(("steps", index, "recover"), told)
        if step.quantize is not None and step.quantize.needs_loss:
            told = f"'qat' needs a loss, {hint}, or learn from the dense model alone"
            where = ("steps", index, "quantize", "mode")
            raise loaded.error(where, f"{told} (distill: {{weight: 1}})")


def _name(file: Path, task: Path) -> str:
    return file.relative_to(task.parent).as_posix()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
