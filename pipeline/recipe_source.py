"""A recipe's text as plain data, with the line of every key, and the overrides laid over it.

Reads YAML's safe part only: no tags that make objects, no key twice, no text that unfolds without
bounds. Knows nothing of what the keys mean.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from pipeline.nearest import advice
from targets.errors import RecipeError

MAX_BYTES = 1_000_000
MAX_NODES = 10_000
"""Nodes after aliases are unfolded: a shipped recipe has about 60."""

ALTERNATIVES = {
    "prune": ("to", "ratio", "macs", "params", "size_bytes", "pattern"),
    "recover": ("epochs", "minutes"),
}
"""Keys of a section of which an override replaces the others."""

Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """The safe loader, which reads 1e-3 as a number too (YAML 1.1 wants 1.0e-3)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def dotted(location: Location) -> str:
    """A location as an override writes it: steps.0.prune.ratio."""
    return ".".join(str(part) for part in location)


@dataclass(frozen=True)
class Source:
    """The data of a recipe file and where each part comes from."""

    file: Path
    data: object
    root: yaml.Node
    overrides: Mapping[Location, str] = field(default_factory=dict)

    def where(self, location: Location) -> str:
        """What set this location: the override's own text, or file:line."""
        for path, text in reversed(tuple(self.overrides.items())):
            if location[: len(path)] == path or (location and path[:-1] == location):
                return f"--set {text}"
        return f"{self.file}:{self._line(location)}"

    def error(self, location: Location, message: str) -> RecipeError:
        """The error for this location, with its line and key."""
        key = dotted(location)
        return RecipeError(
            f"{self.where(location)}: {key}: {message}"
            if key
            else f"{self.where(location)}: {message}"
        )

    def _line(self, location: Location) -> int:
        node, line = self.root, self.root.start_mark.line
        for part in location:
            child = _child(node, part)
            if child is None:
                break
            mark, node = child
            line = mark.line
        return line + 1


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    """Where the part of this node begins (its key, for a mapping's), and the part itself."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


def parse(file: Path) -> Source:
    """Reads a YAML file.

    Raises RecipeError for a file that can't be read, is too large, is no YAML, is no mapping,
    holds a key twice or unfolds to more than MAX_NODES nodes.
    """
    text = _text(file)
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise RecipeError(f"{file}:1: found no mapping of keys to values; {_WANTED}")
        _refuse_duplicates_and_bombs(root, file)
        return Source(file, loader.construct_document(root), root)
    except yaml.YAMLError as error:
        raise RecipeError(_syntax(file, error)) from None
    except RecursionError:
        raise RecipeError(f"{file}: nested too deeply; {_WANTED}") from None
    except ValueError as error:  # a number or date in the right form and out of range
        raise RecipeError(f"{file}: a value that is not valid YAML: {error}") from None


KINDS = "recipe or budget file"
_WANTED = f"allowed: the keys of a {KINDS}, as `edgesmith schema` describes them"


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RecipeError(f"{file}: larger than {MAX_BYTES:,} bytes, which no {KINDS} needs")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{file}: not UTF-8 text, at byte {error.start}; save it as UTF-8"
        ) from None
    except OSError as error:
        raise RecipeError(f"{file}: can't be read: {error.strerror}") from None


def _syntax(file: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    reason = ", ".join(part for part in parts if part) or str(error).splitlines()[0]
    return f"{file}{place}: not YAML: {reason}"


def _refuse_duplicates_and_bombs(root: yaml.Node, file: Path) -> None:
    for count, node in enumerate(_unfolded(root)):
        if count >= MAX_NODES:
            raise RecipeError(
                f"{file}:{node.start_mark.line + 1}: aliases unfold to more than {MAX_NODES:,} "
                f"values, which no {KINDS} needs; write the values out"
            )
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicates(node, file)


def _unfolded(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node, as often as it is reached; endless where an alias holds itself."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _refuse_duplicates(node: yaml.MappingNode, file: Path) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise RecipeError(f"{file}:{line}: a key is {key.id}; allowed: a name")
        if key.value in first:
            raise RecipeError(
                f"{file}:{line}: {key.value}: found twice, first in line {first[key.value]}; "
                "allowed: once"
            )
        first[key.value] = line


def override(source: Source, assignments: Sequence[str]) -> Source:
    """The source with each KEY=VALUE laid over it, in order; a value is YAML.

    Raises RecipeError for an assignment without '=', whose value is no YAML, or whose key leads
    through a list without an index that it has, or through a plain value.
    """
    for text in assignments:
        path, value = _assignment(text)
        data, location = _set(source.data, path, value, (), text)
        source = replace(source, data=data, overrides={**source.overrides, location: text})
    return source


def _assignment(text: str) -> tuple[tuple[str, ...], object]:
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise RecipeError(f"--set {text}: allowed: KEY=VALUE, for example steps.0.prune.ratio=0.5")
    try:
        loader = _Loader(value)
        node = loader.get_single_node()
        if node is None:
            return path, None
        _refuse_duplicates_and_bombs(node, Path(f"--set {key}"))
        return path, loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = getattr(error, "problem", None) or str(error)
        raise RecipeError(f"--set {text}: the value is not YAML: {reason}") from None


def _set(
    node: object, path: tuple[str, ...], value: object, done: Location, text: str
) -> tuple[object, Location]:
    """A copy of node with the value at path, and the path with the list indices as numbers."""
    if not path:
        return value, done
    if isinstance(node, list):
        index = _index(node, path[0], done, text)
        child, location = _set(node[index], path[1:], value, (*done, index), text)
        return [*node[:index], child, *node[index + 1 :]], location
    if node is not None and not isinstance(node, dict):
        raise RecipeError(f"--set {text}: {dotted(done)} is a value ({node!r}), so it has no keys")
    section = dict(node or {})
    child, location = _set(section.get(path[0]), path[1:], value, (*done, path[0]), text)
    if len(path) == 1 and done and path[0] in ALTERNATIVES.get(str(done[-1]), ()):
        section = {k: v for k, v in section.items() if k not in ALTERNATIVES[str(done[-1])]}
    return {**section, path[0]: child}, location


def _index(node: list[object], part: str, done: Location, text: str) -> int:
    if part.isdecimal() and int(part) < len(node):
        return int(part)
    named = {
        f"{i}.{key}": str(i)
        for i, item in enumerate(node)
        if isinstance(item, dict)
        for key in item
    }
    known = named or {str(i): str(i) for i in range(len(node))}
    names = [dotted((*done, name)) for name in known]
    near = next((dotted((*done, name)) for name in named if name.endswith(f".{part}")), "")
    raise RecipeError(
        f"--set {text}: {dotted(done)} is a list and '{part}' is none of its indices; "
        f"{advice(near or dotted((*done, part)), names)}"
    )
