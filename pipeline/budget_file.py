"""Reads a budget from a file of its own, as `--budget FILE` names it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from pipeline.recipe_errors import explain
from pipeline.recipe_section import Section
from pipeline.recipe_source import Source, parse
from targets.budget import Budget

VERSION = 1
VERSION_KEYS = ("version", "schema_version")
"""Either may say which version a file is of; one that says nothing is of this one."""


class _Nested(Section):
    """A file that holds a recipe's section whole, under its own key."""

    budget: Budget


def read_budget(path: Path) -> Budget:
    """Reads a budget of a YAML or JSON file: a recipe's `budget:` section, with or without its key.

    Raises RecipeError naming file, line, key, what was found and what is allowed.
    """
    source = parse(path)
    assert isinstance(source.data, dict), "parse() takes nothing but a mapping"
    _check_version(source, source.data)
    data = {key: value for key, value in source.data.items() if key not in VERSION_KEYS}
    kind = _Nested if "budget" in data else Budget
    try:
        found = kind.model_validate(data)
    except ValidationError as error:
        raise explain(error, replace(source, data=data), kind.model_json_schema()) from error
    return found.budget if isinstance(found, _Nested) else found


def _check_version(source: Source, data: Mapping[object, object]) -> None:
    for key in VERSION_KEYS:
        found = data.get(key, VERSION)
        if type(found) is not int or found != VERSION:
            raise source.error(
                (key,),
                f"found {str(found)[:40]!r}; this edgesmith reads budget files of version "
                f"{VERSION}: write the file for that, or take an edgesmith that reads its version",
            )
