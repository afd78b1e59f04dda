"""The recipe: what is wanted, as frozen values. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from pipeline import recipe_source
from pipeline.nearest import advice
from pipeline.recipe_errors import explain, shown
from pipeline.recipe_quantize import Quantize
from pipeline.recipe_recover import Distill, Recover
from pipeline.recipe_section import Section
from pipeline.recipe_source import Location, Source
from pipeline.recipe_steps import STEP_ORDER, Prune, Schedule, Step
from targets import device as devices
from targets.budget import Budget
from targets.device import Runtime
from targets.errors import RecipeError

__all__ = [
    "Distill", "LoadedRecipe", "Prune", "Quantize", "Recipe", "Recover", "Schedule", "Step", "find",
    "read", "schema",
]  # fmt: skip

FILE_NAME = "recipe.yaml"
SHIPPED = Path(__file__).parent.parent / "recipes"
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)

_ORDER_MATTERS = (
    "allowed: prune, recover, quantize in this order, because pruning ranks and recovery trains "
    "the float weights, which quantizing turns into integers"
)


def _known_device(name: str) -> str:
    if name not in devices.names():
        raise _refusal(f"found '{name}'; {advice(name, devices.names())}")
    return name


def _refusal(message: str, index: int | None = None) -> PydanticCustomError:
    """An error to raise in a validator; index: the list's item that is at fault."""
    # the message travels in the context, where braces in what the user wrote mean nothing
    return PydanticCustomError("refused", "{message}", {"message": message, "index": index})


class Recipe(Section):
    """A whole recipe.yaml."""

    version: Literal[1] = Field(description="The format of this file: 1.")
    task: str = Field(
        default="task.py",
        min_length=1,
        description="The user's model and data, in the recipe's folder.",
    )
    params: dict[str, JsonValue] = Field(
        default_factory=dict, description="Handed to the task's configure(), where it has one."
    )
    device: Annotated[str, AfterValidator(_known_device)] = Field(
        default="host", description="The name of a device profile; `edgesmith devices` lists them."
    )
    runtimes: Annotated[tuple[Runtime, ...], Field(strict=False, min_length=1)] = Field(
        default=RUNTIMES, description="The runtimes to make an artifact for."
    )
    budget: Budget = Field(description="The limits that each artifact must meet.")
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)] = Field(
        description="What to do to the model: prune, recover, quantize, in this order."
    )

    def step(self, name: str) -> Step | None:
        """The step of this name, where the recipe has it."""
        return next((step for step in self.steps if step.name == name), None)

    @field_validator("params", mode="before")
    @classmethod
    def _may_be_empty(cls, params: object) -> object:
        """`params:` with nothing below it is YAML for null."""
        return {} if params is None else params

    @field_validator("runtimes")
    @classmethod
    def _are_different(cls, runtimes: tuple[Runtime, ...]) -> tuple[Runtime, ...]:
        for index, name in enumerate(runtimes):
            if name in runtimes[:index]:
                raise _refusal(f"found '{name}' twice; allowed: each runtime once", index)
        return runtimes

    @field_validator("budget")
    @classmethod
    def _limits_something(cls, budget: Budget) -> Budget:
        if not budget.limits():
            raise _refusal("found no limit; allowed: at least one, such as latency_ms: {p95: 8}")
        return budget

    @field_validator("steps")
    @classmethod
    def _are_in_order(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        for index, (before, after) in enumerate(pairwise(step.name for step in steps), 1):
            if before == after:
                raise _refusal(f"found {after} twice; allowed: each step once", index)
            if STEP_ORDER.index(before) > STEP_ORDER.index(after):
                raise _refusal(f"found {before} before {after}; {_ORDER_MATTERS}", index)
        _refuse_uncosted(steps)
        return steps


def _refuse_uncosted(steps: Sequence[Step]) -> None:
    """Tables of costs are of float32 and int8 models, so pruning to a budget plans for no other."""
    to_budget = any(step.prune is not None and step.prune.to is not None for step in steps)
    for index, step in enumerate(steps):
        if to_budget and step.quantize is not None and step.quantize.scheme != "int8":
            told = f"found scheme: {step.quantize.scheme} after prune: {{to: budget}}"
            raise _refusal(f"{told}; allowed: scheme: int8, or another mode of prune", index)


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe, its folder and file, and where each of its keys was set."""

    recipe: Recipe
    folder: Path
    file: Path
    source: Source

    @property
    def name(self) -> str:
        """The folder's name, by which runs know the recipe."""
        return self.folder.resolve().name

    def error(self, location: Location, message: str) -> RecipeError:
        """An error about a key, such as ("budget", "metric", "name"), with its file and line."""
        return self.source.error(location, message)


def read(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Reads and checks a recipe.

    Args:
        path: a recipe's folder or file; `recipes/NAME` also finds a recipe that is shipped.
        overrides: KEY=VALUE each, such as "steps.0.prune.ratio=0.5"; the value is YAML.

    Raises RecipeError naming file, line, key, what was found and what is allowed.
    """
    file = find(path)
    source = recipe_source.override(recipe_source.parse(file), overrides)
    try:
        recipe = Recipe.model_validate(source.data)
    except ValidationError as error:
        raise explain(error, source, schema()) from None
    loaded = LoadedRecipe(recipe, file.parent, file, source)
    _check_runtimes(loaded)
    _check_task(loaded)
    return loaded


def find(path: Path) -> Path:
    """The recipe's file: path itself, or recipe.yaml in it, here or among the shipped recipes.

    Raises RecipeError with the nearest shipped recipe where there is none.
    """
    candidates = [path]
    if not path.is_absolute() and path.parts[:1] == (SHIPPED.name,):
        candidates.append(SHIPPED.parent / path)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    if path.is_dir():
        raise RecipeError(f"{path}: no recipe: this folder holds no {FILE_NAME}")
    shipped = [f"{SHIPPED.name}/{file.parent.name}" for file in SHIPPED.glob(f"*/{FILE_NAME}")]
    raise RecipeError(
        f"{path}: no such recipe; {advice(str(path), shipped)}, or a folder with a {FILE_NAME}, "
        "which `edgesmith init FOLDER` writes"
    )


def schema() -> dict[str, object]:
    """The JSON schema of recipe.yaml, every key described."""
    document: dict[str, object] = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _check_runtimes(loaded: LoadedRecipe) -> None:
    profile = devices.load(loaded.recipe.device)
    for index, name in enumerate(loaded.recipe.runtimes):
        if name not in profile.runtimes:
            told = f"found '{name}', which device '{profile.name}' does not have"
            raise loaded.error(("runtimes", index), f"{told}; {advice(name, profile.runtimes)}")


def _check_task(loaded: LoadedRecipe) -> None:
    """The task's file is there and lies in the recipe's folder, links followed."""
    task = loaded.recipe.task
    path = loaded.folder / task
    folder = loaded.folder.resolve()
    try:
        inside = ".." not in Path(task).parts and path.resolve().is_relative_to(folder)
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, a circle of links
        inside = False
    if Path(task).is_absolute() or not inside:
        raise loaded.error(
            ("task",), f"found {shown(task)}; allowed: a file inside the recipe's folder"
        )
    if not path.is_file():
        others = sorted(file.name for file in folder.glob("*.py"))
        raise loaded.error(("task",), f"no such file {shown(task)}; {advice(task, others)}")
