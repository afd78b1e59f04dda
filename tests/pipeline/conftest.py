"""What tests of pruning start from: modules whose numbers hide no mistake, and a second oracle."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from pipeline.graph import Graph, trace
from pipeline.graph.operators.entry import bind, operator_name

Inputs = tuple[Tensor, ...]


def _randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Float64, with no parameter or statistic at a value that hides a mistake (0 or 1)."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    for tensor in [*module.parameters(), *module.buffers()]:
        if not tensor.is_floating_point():
            continue
        noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            tensor.copy_(noise + 0.5 if tensor.dim() <= 1 else noise - 0.5)
    return module


@pytest.fixture(scope="session")
def randomise() -> Callable[..., nn.Module]:
    """Gives a module random parameters and statistics that hide nothing."""
    return _randomise


@pytest.fixture(scope="session")
def apart_from_zeroed() -> Callable[[Graph, Graph, Inputs], float]:
    """The parameter-only oracle: how far a pruned graph's outputs are from those of the original
    with the removed slices of its *parameters* set to zero, relative to the largest output.

    It knows nothing of labels. Zero scale and shift make a batch norm's channel 0, activations
    keep it 0, or else what reads it has no weight for it. Statistics over channels alone would
    count what is no longer there, so they are taken over what is not zero throughout.
    """

    def apart(graph: Graph, small: Graph, inputs: Inputs) -> float:
        with torch.no_grad():
            expected = tree_leaves(
                _OverWhatIsThere(_wide(_zeroed(graph, small)), small).run(*inputs)
            )
            found = tree_leaves(_wide(copy.deepcopy(small.module))(*inputs))
        pairs = [pair for pair in zip(expected, found, strict=True) if pair[0].is_floating_point()]
        return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)

    return apart


def _zeroed(graph: Graph, small: Graph) -> fx.GraphModule:
    """Which slices went is read off the values: the pruned parameter holds what is left."""
    module = copy.deepcopy(graph.module)
    kept = dict(small.module.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter[~torch.isin(parameter, kept[name])] = 0
    return module


def _wide(module: fx.GraphModule) -> fx.GraphModule:
    """The module without casts to float32, whose rounding would hide what is compared."""
    for node in list(module.graph.nodes):
        if "_assert_tensor_metadata" in str(node.target):
            module.graph.erase_node(node)
            continue
        changed = [torch.float64 if item is torch.float32 else item for item in node.args]
        node.args = tuple(changed)
        node.kwargs = {
            k: torch.float64 if v is torch.float32 else v for k, v in node.kwargs.items()
        }
    module.recompile()
    return module


class _OverWhatIsThere(fx.Interpreter):
    """Takes means and norms over those indices at which anything but zero stands. Dimensions that
    the pruned graph has in full are whole, though a rectifier may leave nothing in a row of one."""

    def __init__(self, module: fx.GraphModule, small: Graph) -> None:
        super().__init__(module)
        nodes = {node.name: node for node in small.module.graph.nodes}
        self._sizes = {name: _sizes(node) for name, node in nodes.items()}

    def run_node(self, n: fx.Node) -> object:
        known = {"mean": _mean, "layer_norm": _norm, "rms_norm": _norm, "group_norm": _groups}
        called = n.op == "call_function" and isinstance(n.target, torch._ops.OpOverload)
        own = known.get(operator_name(n)) if called else None
        if own is None:
            return super().run_node(n)
        bound = bind(n).items()
        given = {name: fx.map_arg(item, self.env.__getitem__) for name, item in bound}
        value = given.pop("self" if "self" in given else "input")
        if own is _mean:
            given["whole"] = self._whole(n.all_input_nodes[0])
        return own(value, **given)

    def _whole(self, node: fx.Node) -> set[int]:
        """The dimensions of a value that have lost nothing."""
        sizes = enumerate(zip(_sizes(node), self._sizes.get(node.name, []), strict=False))
        return {place for place, (before, after) in sizes if before == after}


def _sizes(node: fx.Node) -> list[str]:
    value = node.meta.get("val")
    return [str(size) for size in value.shape] if isinstance(value, Tensor) else []


def _there(x: Tensor, dimension: int) -> Tensor:
    """Whether anything but zero stands at each index of a dimension; in a shape that broadcasts."""
    others = [place for place in range(x.dim()) if place != dimension % x.dim()]
    return x.abs().amax(others, keepdim=True) > 0


def _mean(
    x: Tensor, dim: list[int] | None = None, keepdim: bool = False, *, whole: set[int], **_: object
) -> Tensor:
    dims = [place % x.dim() for place in (range(x.dim()) if dim is None else dim)]
    there = [x.shape[at] if at in whole else int(_there(x, at).sum()) for at in dims]
    return x.sum(dims, keepdim) / max(1, math.prod(there))


def _norm(
    x: Tensor,
    normalized_shape: list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float | None = None,
    **_: object,
) -> Tensor:
    """Layer norm, and without a shift RMS norm, which does not centre."""
    dims = list(range(-len(normalized_shape), 0))
    there = math.prod((_there(x, place) for place in dims), start=torch.ones(()))
    count = there.sum()
    centred = x if bias is None else (x - x.sum(dims, keepdim=True) / count) * there
    spread = centred.square().sum(dims, keepdim=True) / count
    made = centred * torch.rsqrt(spread + (torch.finfo(x.dtype).eps if eps is None else eps))
    made = made if weight is None else made * weight
    return made if bias is None else made + bias


def _groups(
    x: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float, **_: object
) -> Tensor:
    there = _there(x, 1).unflatten(1, (num_groups, -1))
    shape = [1, -1] + [1] * (x.dim() - 2)
    x = x.unflatten(1, (num_groups, -1))
    dims = list(range(2, x.dim()))
    count = (there.expand(1, *x.shape[1:]).sum(dims, keepdim=True)).clamp_min(1)
    centred = (x - x.sum(dims, keepdim=True) / count) * there
    made = centred * torch.rsqrt(centred.square().sum(dims, keepdim=True) / count + eps)
    return made.flatten(1, 2) * weight.view(shape) + bias.view(shape)


@pytest.fixture(scope="session")
def two_convolutions() -> Callable[[int], Graph]:
    """Gives the traced net of two convolutions (16 and 32 wide) and a head, for square images of
    this side."""

    def traced(side: int) -> Graph:
        net = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * side**2, 10),
        )  # fmt: skip
        return trace(net.eval(), (torch.zeros(1, 3, side, side),))

    return traced
