"""What labels predict of a pruned graph: the shape of every node, checked as the graph runs."""

from collections.abc import Iterator

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from pipeline.graph.labels import Labelled
from pipeline.graph.shapes import Shape
from pipeline.prune.choice import Choice
from targets.errors import EdgesmithError

_UNDECIDED = (EdgesmithError, NotImplementedError, TypeError, ValueError)
Place = tuple[str, int | None]  # a node's name, and which of its tensors if it gives several


def check_shapes(
    module: fx.GraphModule, inputs: tuple[torch.Tensor, ...], labelled: Labelled, choice: Choice
) -> None:
    """Run a pruned graph on tensors without storage and compare every node with its prediction.

    Raises EdgesmithError that names the first node which differs or can't run.
    """
    expected = {(name, index): shape for name, index, shape in _predicted(labelled, choice)}
    try:
        with torch.no_grad(), torch.device("meta"):
            _OnMeta(module, expected).run(*[tensor.to("meta") for tensor in inputs])
    except _UNDECIDED:
        # Operators that meta tensors alone don't know, or a real difference: ask again, slowly.
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        with mode, torch.no_grad():
            _Checker(module, expected).run(*[mode.from_tensor(tensor) for tensor in inputs])


class _Checker(fx.Interpreter):
    """Runs a graph and stops at the first node whose shape was not predicted."""

    def __init__(self, module: fx.GraphModule, expected: dict[Place, Shape]) -> None:
        super().__init__(module)
        self.extra_traceback = False  # the message names the node itself
        self._expected = expected

    def run_node(self, n: fx.Node) -> object:
        try:
            result: object = super().run_node(n)
        except RuntimeError as fault:
            raise _rolled_back(f"node '{n.name}' can't run any more ({fault})") from fault
        if isinstance(result, torch.Tensor):
            self._compare(result, (n.name, None))
        elif isinstance(result, (tuple, list)):
            for index, part in enumerate(result):
                self._compare(part, (n.name, index))
        return result

    def _compare(self, found: object, place: Place) -> None:
        expected = self._expected.get(place)
        if expected is not None and isinstance(found, torch.Tensor) and found.shape != expected:
            shapes = f"{list(found.shape)} where its labels predict {list(expected)}"
            raise _rolled_back(f"node '{place[0]}' has shape {shapes}")


class _OnMeta(_Checker):
    """The same on meta tensors, at a third of the cost of fake ones."""

    def fetch_attr(self, target: str) -> object:
        found: object = super().fetch_attr(target)
        return found.to("meta") if isinstance(found, torch.Tensor) else found


def _rolled_back(what: str) -> EdgesmithError:
    return EdgesmithError(
        f"pruning was rolled back: {what}. This is a bug; please report it with the model's code"
    )


def _predicted(labelled: Labelled, choice: Choice) -> Iterator[tuple[str, int | None, Shape]]:
    """Per node that gives tensors: its name, the tensor's index if it gives several, its shape."""
    shapes = labelled.known.shapes
    for name, result in labelled.known.labels.items():
        if isinstance(result, tuple):
            parts = zip(result, shapes.several[name], strict=True)
            for index, (labels, shape) in enumerate(parts):
                yield name, index, choice.shape(labels, shape or ())
        else:
            yield name, None, choice.shape(result, shapes.tensor[name])


def renew_metadata(module: fx.GraphModule, labelled: Labelled, choice: Choice) -> None:
    """Quantizers and exporters read each node's fake tensor: give it the kept sizes."""
    nodes = {node.name: node for node in module.graph.nodes}
    for name, index, expected in _predicted(labelled, choice):
        value = nodes[name].meta.get("val")
        if index is None:
            nodes[name].meta["val"] = _resized(value, labelled.known.shapes.tensor[name], expected)
        elif isinstance(value, (tuple, list)):
            old = labelled.known.shapes.several[name][index] or ()
            parts = list(value)
            parts[index] = _resized(parts[index], old, expected)
            nodes[name].meta["val"] = tuple(parts)


def _resized(value: object, old: Shape, new: Shape) -> object:
    """A fake tensor of the new shape; a symbolic size scales with its number."""
    mode = getattr(value, "fake_mode", None)
    if mode is None or not isinstance(value, torch.Tensor) or old == new:
        return value
    sizes = [
        size if before == after else after if isinstance(size, int) else size * after // before
        for size, before, after in zip(value.shape, old, new, strict=True)
    ]
    storeless = torch.empty(sizes, dtype=value.dtype, device="meta")
    return FakeTensor(mode, storeless, value.device)
