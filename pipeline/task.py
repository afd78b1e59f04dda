"""The task: the user's model, data and loss, loaded from task.py and checked before any work."""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import cast

import torch
from torch import Tensor, nn

from pipeline import task_checks as checks
from pipeline import task_metrics
from pipeline.metrics import Metric
from pipeline.nearest import advice
from pipeline.recipe import LoadedRecipe
from pipeline.task_faults import at, displayed, user_code
from pipeline.task_modules import import_file, recording
from targets.errors import TaskError

SPLITS = ("train", "calibration", "validation")
REQUIRED = ("build", "example_inputs", "batches")
OPTIONAL = ("loss", "configure")

Loss = Callable[[object, object], Tensor]


class Task:
    """A loaded task. Whatever its functions raise becomes a TaskError with the user's own line.

    Attributes:
        file: task.py itself.
        params: what configure() was given.
        files: every file below the task's folder that it imported or, through Python, opened.
    """

    def __init__(self, module: ModuleType, file: Path, params: Mapping[str, object]) -> None:
        """Takes an imported module that has all its functions; load() sees to that."""
        self.file = file
        self.params = dict(params)
        self.files: tuple[Path, ...] = ()
        self._module = module
        self._makers = task_metrics.factories(vars(module).get("metrics"), file)
        self._built: nn.Module | None = None
        self._identity: dict[str, object] = {}

    def build(self) -> nn.Module:
        """The user's trained model, on the CPU in eval mode.

        torch's random numbers are seeded for it, so that a layer that is initialised at random is
        the same every time.

        Raises TaskError for no module, or weights that are not finite.
        """
        if self._built is not None:
            built, self._built = self._built, None
            return built
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return checks.module(self._call("build"), self.file)

    def example_inputs(self) -> tuple[Tensor, ...]:
        """A batch of 1; TaskError for anything but a tuple of finite tensors."""
        return checks.example(self._call("example_inputs"), self.file)

    def batches(self, split: str) -> Iterator[tuple[tuple[Tensor, ...], object]]:
        """Inputs and target of "train", "calibration" or "validation", batch by batch.

        Raises TaskError for an empty split, and for inputs unlike example_inputs() or not finite.
        """
        like = self.example_inputs()
        place = f"{displayed(self.file)}: batches('{split}')"
        stream = self._iterator(split, place)
        number = 0
        for number, item in enumerate(self._items(stream, split), 1):
            yield checks.batch(item, like, f"{place}: batch {number}")
        if number == 0:
            raise TaskError(f"{place}: the split is empty; allowed: at least one batch")

    @property
    def loss(self) -> Loss | None:
        """The user's loss(outputs, target), or None where the task has none."""
        return self._loss if "loss" in vars(self._module) else None

    def metrics(self) -> list[Metric]:
        """New metrics, in the task's order."""
        return [make() for make in self._makers]

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
            built = self.build()
            inputs = self.example_inputs()
            with user_code("the model's forward", self.file), torch.no_grad():
                found = built(*inputs)
            checks.outputs(found, self.file)
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
        with user_code(f"{name}()", self.file, _line(function)):
            return function(*arguments)

    def _place(self, name: str) -> str:
        return at(self.file, _line(vars(self._module)[name]))


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
        _check_functions(module, path)
        _configure(module, path, params)
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


def _check_functions(module: ModuleType, path: Path) -> None:
    known = vars(module)
    for name in REQUIRED:
        if name not in known:
            near = advice(name, [one for one in known if callable(known[one])])
            hint = f"; {near.partition('allowed: ')[0].strip()}" if "did you mean" in near else ""
            raise TaskError(
                f"{displayed(path)}: lacks {name}(){hint}; a task defines "
                f"{', '.join(f'{one}()' for one in REQUIRED)} and metrics"
            )
    for name in (*REQUIRED, *OPTIONAL):
        if name in known and not callable(known[name]):
            kind = type(known[name]).__name__
            raise TaskError(f"{displayed(path)}: {name}: found {kind}; allowed: a function")
    if "metrics" not in known:
        raise TaskError(f"{displayed(path)}: lacks metrics; for example: metrics = ['accuracy']")


def _configure(module: ModuleType, path: Path, params: Mapping[str, object]) -> None:
    configure = vars(module).get("configure")
    if configure is None:
        if params:
            raise TaskError(
                f"{displayed(path)}: lacks configure(), and the recipe has params "
                f"({', '.join(params)}); define configure({', '.join(params)}) or remove them"
            )
        return
    line = _line(configure)
    _check_params(configure, at(path, line), params)
    with user_code("configure()", path, line):
        configure(**params)


def _check_params(
    configure: Callable[..., object], place: str, params: Mapping[str, object]
) -> None:
    taken = inspect.signature(configure).parameters.values()
    if not any(one.kind is one.VAR_KEYWORD for one in taken):
        names = [one.name for one in taken]
        for name in params:
            if name not in names:
                raise TaskError(f"{place}: configure() has no '{name}'; {advice(name, names)}")
    for one in taken:
        optional = one.default is not one.empty or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        if not optional and one.name not in params:
            raise TaskError(
                f"{place}: configure() wants '{one.name}', which the recipe's params lack; "
                f"add it there, or `--set params.{one.name}=VALUE`"
            )


def _line(function: object) -> int | None:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return int(code.co_firstlineno) if code is not None else None


def _name(file: Path, task: Path) -> str:
    return file.relative_to(task.parent).as_posix()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
