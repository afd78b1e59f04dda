"""Parts of a graph that can stay float, so that no runtime makes them int8 again.

One operator between int8 neighbours does not stay float: ONNX Runtime and LiteRT find it between
a dequantization and a quantization, and compute the three as one int8 operator. Where a second
operator takes the value as it is, they can't. Pure: knows names, not tensors.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pipeline.graph import Graph
from pipeline.quantize.layout import Layout, Part, layout


@dataclass(frozen=True)
class Region:
    """Operators that stay float together, or not at all.

    Attributes:
        name: what they are to the user: "layer body.2.0", "block body.2", "all hardswish".
        nodes: their names in the graph with batch norms folded, in its order.
        macs: their multiply-accumulates for one sample.
    """

    name: str
    nodes: tuple[str, ...]
    macs: int


def regions(graph: Graph) -> tuple[Region, ...]:
    """Candidates for staying float: each layer with weights, each module of the user's with several
    operators, and all operators of a kind. Of equal ones the first; none is the whole model."""
    parts = layout(graph)
    whole = {part.name for part in parts.values() if part.weighted}
    found: dict[tuple[str, ...], Region] = {}
    for name, nodes in _candidates(parts):
        kept = closed(parts, nodes)
        if kept and not whole <= set(kept):
            macs = sum(parts[node].macs for node in kept)
            found.setdefault(kept, Region(name, kept, macs))
    return tuple(found.values())


def closed(parts: Layout, nodes: Iterable[str]) -> tuple[str, ...]:
    """These nodes and the fewest others that have to stay float with them, in the graph's order.

    Every piece that hangs together is grown until no int8 operator stands between two of its own,
    and until it holds two operators that round, or borders on something that is float. Nodes that
    are float without need are left out. Raises KeyError for a node that isn't there.
    """
    region = {node for node in nodes if parts[node].role != "float"}
    grown: set[str] = set()
    while grown != region:
        grown = set(region)
        region |= _fused(parts, region) | _moves_between(parts, region)
        for piece in _pieces(parts, region):
            region |= _between(parts, piece)
            if _is_exposed(parts, piece):
                region |= _nearest(parts, piece)
    return tuple(name for name in parts if name in region)


def _candidates(parts: Layout) -> Iterator[tuple[str, set[str]]]:
    computing = [part for part in parts.values() if part.role == "computes"]
    for part in computing:
        if part.weighted:
            yield f"layer {part.module or part.name}", {part.name}
    for module in sorted({prefix for part in computing for prefix in _prefixes(part.module)}):
        inside = {part.name for part in parts.values() if _is_inside(part, module)}
        if sum(part.name in inside for part in computing) > 1:
            yield f"block {module}", inside
    for operator in sorted({part.operator for part in computing if not part.weighted}):
        yield f"all {operator}", {part.name for part in computing if part.operator == operator}


def _prefixes(module: str) -> Iterator[str]:
    names = module.split(".") if module else []
    yield from (".".join(names[:length]) for length in range(1, len(names) + 1))


def _is_inside(part: Part, module: str) -> bool:
    return part.module == module or part.module.startswith(f"{module}.")


def _fused(parts: Layout, region: set[str]) -> set[str]:
    """Activations with the operators that they are fused into, and lists with their elements."""
    pairs = [(part.inputs[0], part.name) for part in parts.values() if _follows(parts, part)]
    return {name for pair in pairs if region.intersection(pair) for name in pair}


def _follows(parts: Layout, part: Part) -> bool:
    return part.role == "fused" or (part.operator == "" and part.role == "moves")


def _moves_between(parts: Layout, region: set[str]) -> set[str]:
    """Operators that only move values from the region to the region."""

    def moves(name: str) -> bool:
        return parts[name].role == "moves"

    return _reached(parts, region, _users(parts), moves) & _reached(
        parts, region, _inputs(parts), moves
    )


def _between(parts: Layout, piece: set[str]) -> set[str]:
    """Whatever lies on a way from the piece to the piece."""

    def passes(name: str) -> bool:
        return True

    return _reached(parts, piece, _users(parts), passes) & _reached(
        parts, piece, _inputs(parts), passes
    )


Neighbours = Callable[[str], tuple[str, ...]]


def _users(parts: Layout) -> Neighbours:
    return lambda name: parts[name].users


def _inputs(parts: Layout) -> Neighbours:
    return lambda name: parts[name].inputs


def _reached(
    parts: Layout, start: set[str], step: Neighbours, passes: Callable[[str], bool]
) -> set[str]:
    """The nodes outside that steps lead to, over nodes that let pass."""
    found: set[str] = set()
    border = [name for node in start for name in step(node)]
    while border:
        name = border.pop()
        if name not in start and name not in found and passes(name):
            found.add(name)
            border.extend(step(name))
    return found


def _pieces(parts: Layout, region: set[str]) -> list[set[str]]:
    """The region's parts that hang together."""
    left, pieces = set(region), []
    while left:
        piece = {left.pop()}
        border = list(piece)
        while border:
            part = parts[border.pop()]
            new = left.intersection((*part.inputs, *part.users))
            left -= new
            piece |= new
            border.extend(new)
        pieces.append(piece)
    return pieces


def _is_exposed(parts: Layout, piece: set[str]) -> bool:
    """Whether a runtime would find the piece between int8 values, and make it one of them."""
    if sum(parts[name].role == "computes" for name in piece) > 1:
        return False
    borders = {other for name in piece for other in (*parts[name].inputs, *parts[name].users)}
    return all(parts[other].role != "float" for other in borders - piece)


def _nearest(parts: Layout, piece: set[str]) -> set[str]:
    """The neighbour with the least work to add, and what moves values in between."""
    ways = [
        way
        for step in (_users(parts), _inputs(parts))
        for name in sorted(piece)
        for first in step(name)
        if first not in piece and (way := _way(parts, first, step))
    ]
    return min(ways, key=lambda way: sum(parts[name].macs for name in way), default=set())


def _way(parts: Layout, first: str, step: Neighbours) -> set[str]:
    """From a neighbour on, over operators that move values, to the first that computes."""
    way = {first}
    while parts[first].role != "computes":
        following = [name for name in step(first) if parts[name].role != "float"]
        if not following:
            return way
        first = following[0]
        way.add(first)
    return way
