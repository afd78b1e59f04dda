"""Reads a budget from a file of its own, as `--budget FILE` names it."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from targets.budget import Budget
from targets.errors import RecipeError
from targets.limit import LatencyLimits


def read_budget(path: Path) -> Budget:
    """Reads a budget of a YAML or JSON file, which is a recipe's `budget:` section.

    Raises RecipeError naming file, line, key, what was found and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"budget file {path} can't be read: {error}") from error
    if not isinstance(document, dict) or node is None:
        raise RecipeError(
            f"budget file {path}: expected keys such as 'latency_ms', found no mapping"
        )
    if set(document) == {"budget"}:
        document = document["budget"]
    try:
        return Budget.model_validate(document)
    except ValidationError as error:
        raise RecipeError("\n".join(_told(path, node, each) for each in error.errors())) from error


def _told(path: Path, node: yaml.Node, error: ErrorDetails) -> str:
    keys = [str(key) for key in error["loc"] if not str(key).startswith("function-")]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = sorted({*Budget.model_fields, *LatencyLimits.model_fields})
        message = f"unknown key; allowed: {', '.join(known)}"
    return f"{path}:{_line_of(node, keys)}: key '{'.'.join(keys)}': {message}"


def _line_of(node: yaml.Node, keys: Sequence[str]) -> int:
    line = node.start_mark.line + 1
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            break
        for name, value in node.value:
            if name.value in (key, "budget"):
                line, node = name.start_mark.line + 1, value
                break
    return line
