"""Turns what pydantic found wrong into one message: file, line, key, found, allowed."""

import re
from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.nearest import advice
from pipeline.recipe_source import Location, Source
from targets.errors import RecipeError

Schema = Mapping[str, object]
_ABSENT = object()
_WORDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "invalid_key": "a mapping whose keys are text",
}
"""What a user reads for pydantic's words."""


def explain(error: ValidationError, source: Source, schema: Schema) -> RecipeError:
    """One line for each key that is wrong, in the order of the file.

    Args:
        error: what validating source.data raised.
        source: the data with its lines.
        schema: the JSON schema of the model, from which the allowed keys are told.
    """
    reasons: dict[Location, list[str]] = {}
    for detail in error.errors(include_url=False):
        location = _in_data(detail, source.data)
        if _follows(detail):
            continue
        told = reason(detail, location, schema)
        if told not in reasons.setdefault(location, []):
            reasons[location].append(told)
    messages = [str(source.error(key, _joined(found))) for key, found in reasons.items()]
    return RecipeError("\n".join(messages))


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list is only too short since what stands in it was refused, which is told itself:
    pydantic counts what passed."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _in_data(detail: ErrorDetails, data: object) -> Location:
    """The error's location without what pydantic adds to it (the members of a union)."""
    location: list[str | int] = []
    for part in detail["loc"]:
        child = _part(data, part)
        if child is not _ABSENT:
            data = child
        elif detail["type"] != "missing" or part != detail["loc"][-1]:
            continue
        location.append(part)
    index = detail.get("ctx", {}).get("index")
    return (*location, index) if isinstance(index, int) else tuple(location)


def _part(data: object, part: str | int) -> object:
    if isinstance(data, dict):
        return data.get(part, _ABSENT)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return _ABSENT


def _joined(reasons: list[str]) -> str:
    """Several complaints about one value (a union's members) as one: what was found, once."""
    found = reasons[0].partition("; ")[0]
    tails = [r.removeprefix(f"{found}; allowed: ") for r in reasons]
    if len(reasons) > 1 and all(tail != r for tail, r in zip(tails, reasons, strict=True)):
        return f"{found}; allowed: {', or '.join(tails)}"
    return "; ".join(reasons)


def reason(detail: ErrorDetails, location: Location, schema: Schema) -> str:
    """What is wrong with the value at a location: what was found, and what is allowed there."""
    kind, found = detail["type"], detail["input"]
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"unknown key; {advice(str(location[-1]), _keys(schema, location[:-1]))}"
    if kind == "missing":
        return f"missing; allowed: {_description(schema, location) or 'a value'}"
    if kind == "literal_error":
        return f"found {shown(found)}; {advice(str(found), _literals(detail))}"
    if message.startswith("found "):
        return message
    if detail["loc"][-1:] == ("[key]",):
        return f"found the key {shown(found)}; allowed: a key that is text"
    allowed = _WORDS.get(kind) or message.removeprefix("Input should be ")
    description = _description(schema, location)
    return f"found {shown(found)}; allowed: {allowed}" + (f" ({description})" * bool(description))


def shown(value: object) -> str:
    """A value as YAML would write it, short; a section by its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return f"a mapping of {', '.join(map(str, value)) or 'nothing'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _literals(detail: ErrorDetails) -> list[str]:
    """The allowed values, as YAML writes them."""
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return [word.strip("'").replace("True", "true") for word in re.split(", | or ", expected)]


def _keys(schema: Schema, location: Location) -> list[str]:
    """The keys that the schema knows at this location."""
    return sorted({key for node in _reached(schema, location) for key in _properties(node)})


def _description(schema: Schema, location: Location) -> str:
    """What the schema says of the key at this location, or ''."""
    for parent in _reached(schema, location[:-1]):
        node = _properties(parent).get(str(location[-1]))
        if isinstance(node, dict) and "description" in node:
            return str(node["description"])
    return ""


def _properties(node: Schema) -> dict[str, object]:
    properties = node.get("properties")
    return properties if isinstance(properties, dict) else {}


def _reached(schema: Schema, location: Location) -> list[Schema]:
    nodes = list(_members(schema, schema))
    for part in location:
        inner = [child for node in nodes if (child := _inner(node, part)) is not None]
        nodes = [member for child in inner for member in _members(child, schema)]
    return nodes


def _inner(node: Schema, part: str | int) -> Schema | None:
    child = node.get("items") if isinstance(part, int) else _properties(node).get(part)
    return child if isinstance(child, dict) else None


def _members(node: Schema, schema: Schema) -> Iterator[Schema]:
    """The node itself, what it refers to, and every member of a union."""
    yield node
    for word in ("anyOf", "oneOf", "allOf"):
        for member in _dicts(node.get(word)):
            yield from _members(member, schema)
    name = str(node.get("$ref", "")).rpartition("/")[2]
    definitions = schema.get("$defs")
    if name and isinstance(definitions, dict):
        yield from _members(definitions[name], schema)


def _dicts(value: object) -> Iterable[Schema]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
