"""What a task declares of its inputs and outputs, read and checked."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipeline.nearest import advice
from pipeline.processing import ends
from pipeline.processing.after import Postprocess
from pipeline.processing.before import Layout, Normalize, Preprocess, Scale
from pipeline.processing.flow import ANY, Misfit, State, flow, start
from pipeline.processing.section import Section
from pipeline.processing.sources import Source
from pipeline.recipe_errors import reason, shown

Kind = TypeVar("Kind")
Shape = tuple[int, ...]
SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
BEFORE: TypeAdapter[Preprocess] = TypeAdapter(Preprocess)
AFTER: TypeAdapter[Postprocess] = TypeAdapter(Postprocess)
FOLDABLE = (Scale, Normalize, Layout)


class Fault(ValueError):
    """A declaration that can't be used: where in it, what was found, what is allowed."""


class DeclaredInput(Section):
    """An input of the model.

    Attributes:
        name: as the model's forward calls it.
        source: what the app has, and what the task's batches hold.
        operations: what is done to it before the model.
        folded: what the model itself does after that.
    """

    name: str
    source: Source
    operations: tuple[Preprocess, ...] = ()
    folded: tuple[Preprocess, ...] = ()

    @property
    def states(self) -> tuple[State, ...]:
        """The values before the first operation, and after each, folded ones included."""
        whole = (*self.operations, *self.folded)
        return start(self.source), *flow(self.source, whole)

    @property
    def state(self) -> State:
        """The values that the model takes."""
        return self.states[len(self.operations)]


class DeclaredOutput(Section):
    """An output of the model, and what is done to it."""

    name: str
    operations: tuple[Postprocess, ...] = ()


class Declared(Section):
    """All of it; an input is None that nothing is declared of. Outputs are empty where none is."""

    inputs: tuple[DeclaredInput | None, ...] = ()
    outputs: tuple[DeclaredOutput, ...] = ()


NOTHING = Declared()


def inputs(found: object, shapes: Mapping[str, Shape]) -> tuple[DeclaredInput | None, ...]:
    """The task's `preprocess`.

    Args:
        found: a list for the only input, or lists by the inputs' names.
        shapes: of the model's inputs without the batch, by name, in order; folded operations
            included.

    Raises Fault.
    """
    lists = _by_name("preprocess", found, list(shapes))
    return tuple(
        _input(_place("preprocess", name, lists), name, lists[name], shape)
        if name in lists
        else None
        for name, shape in shapes.items()
    )


def outputs(found: object, shapes: Sequence[Shape]) -> tuple[DeclaredOutput, ...]:
    """The task's `postprocess`.

    Args:
        found: a list for the only output, or a list for each, by a name of the task's choice, in
            the outputs' order.
        shapes: of the model's outputs, without the batch.

    Raises Fault.
    """
    named = list(found) if isinstance(found, Mapping) else ["output"]
    if len(named) != len(shapes):
        raise Fault(
            f"postprocess: found {len(named)} outputs; allowed: {len(shapes)}, as the model has: "
            "a mapping with a name and a list for each, in order"
        )
    lists = _by_name("postprocess", found, named)
    read = tuple(
        _output(_place("postprocess", name, lists), name, lists[name], named) for name in named
    )
    chains = [one.operations for one in read]
    for index, one in enumerate(read):
        try:
            ends.check(chains, index, shapes)
        except Misfit as misfit:
            place = _place("postprocess", one.name, lists)
            raise Fault(f"{place}: item {misfit.index}: {misfit}") from None
    return read


def _by_name(what: str, found: object, names: Sequence[str]) -> dict[str, list[object]]:
    """The lists, by name; a list alone belongs to the only name."""
    mapping = f"a mapping of names to lists; {advice('', names)}"
    allowed = "a list of mappings" if len(names) == 1 else mapping
    if isinstance(found, list | tuple) and len(names) == 1:
        return {names[0]: list(found)}
    if not isinstance(found, Mapping):
        raise Fault(f"{what}: found {shown(found)}; allowed: {allowed}")
    for name, one in found.items():
        if name not in names:
            raise Fault(f"{what}: found {name!r}; {advice(str(name), names)}")
        if not isinstance(one, list | tuple):
            raise Fault(f"{what}: {name}: found {shown(one)}; allowed: a list of mappings")
    return {str(name): list(one) for name, one in found.items()}


def _place(what: str, name: str, lists: Mapping[str, object]) -> str:
    return what if len(lists) == 1 else f"{what}: {name}"


def _input(place: str, name: str, items: list[object], shape: Shape) -> DeclaredInput:
    if not items or not isinstance(items[0], Mapping) or "source" not in items[0]:
        raise Fault(
            f"{place}: item 0: found {shown(items[0]) if items else 'nothing'}; allowed: what the "
            f"app has, as {{'source': 'image', 'color': 'rgb'}}; {_sources()}"
        )
    source = _valid(SOURCE, items[0], f"{place}: item 0")
    chain = [_valid(BEFORE, one, f"{place}: item {n}") for n, one in enumerate(items[1:], 1)]
    kept = list(takewhile(lambda one: not _folds(one), chain))
    for number, one in enumerate(chain[len(kept) :], len(kept) + 1):
        if not _folds(one):
            raise Fault(
                f"{place}: item {number}: {one.op} follows a folded operation; allowed: fold on "
                "the last operations only"
            )
    declared = DeclaredInput(
        name=name, source=source, operations=tuple(kept), folded=tuple(chain[len(kept) :])
    )
    _arrives(place, declared, shape)
    return declared


def _folds(one: Preprocess) -> bool:
    return isinstance(one, FOLDABLE) and one.fold


def _arrives(place: str, declared: DeclaredInput, shape: Shape) -> None:
    """Whether the operations end at what the model takes."""
    try:
        last = declared.states[-1]
    except Misfit as misfit:
        raise Fault(f"{place}: item {misfit.index + 1}: {misfit}") from None
    fits = len(last.shape) == len(shape) and all(
        a in (ANY, b) for a, b in zip(last.shape, shape, strict=True)
    )
    if not fits:
        raise Fault(
            f"{place}: the operations end with {last}; allowed: the model's input, "
            f"[{', '.join(map(str, shape))}]"
        )


def _output(place: str, name: str, items: list[object], names: Sequence[str]) -> DeclaredOutput:
    chain = [
        _valid(AFTER, _indexed(one, names, f"{place}: item {n}"), f"{place}: item {n}")
        for n, one in enumerate(items)
    ]
    return DeclaredOutput(name=name, operations=tuple(chain))


def _indexed(item: object, names: Sequence[str], place: str) -> object:
    """The item with the output that it names as that output's number."""
    if not isinstance(item, Mapping) or not isinstance(item.get("scores"), str):
        return item
    if item["scores"] not in names:
        raise Fault(f"{place}: scores: found {item['scores']!r}; {advice(item['scores'], names)}")
    return {**item, "scores": list(names).index(item["scores"])}


def _valid(adapter: TypeAdapter[Kind], item: object, place: str) -> Kind:
    if not isinstance(item, Mapping):
        raise Fault(f"{place}: found {shown(item)}; allowed: a mapping of keys to values")
    try:
        return adapter.validate_python(dict(item))
    except ValidationError as error:
        schema = adapter.json_schema()
        raise Fault(f"{place}: {_told(error.errors(include_url=False)[0], schema)}") from None


def _told(first: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """One fault of an item, as one reads it of a recipe."""
    members: dict[str, str] = schema["discriminator"]["mapping"]
    if first["type"].startswith("union_tag"):
        key = schema["discriminator"]["propertyName"]
        given = str(first["input"].get(key, "nothing"))
        return f"{key}: found '{given}'; {advice(given, members)}"
    member, *location = first["loc"]
    of_member = {**schema, "oneOf": [{"$ref": members[str(member)]}]}
    head = ".".join(map(str, location))
    return f"{head}: {reason(first, tuple(location), of_member)}"


def _sources() -> str:
    """The sources that there are."""
    return advice("", SOURCE.json_schema()["discriminator"]["mapping"])
