"""The journey that every architecture makes, and what it must prove on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torchao.quantization.pt2e import move_exported_model_to_train

from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.reference import differences
from targets.errors import ConversionError

# Sums of at most 10^4 float64 products of order one, in another order: 1e4 · 1.1e-16 ≈ 1e-12,
# amplified a thousandfold by norms over few channels.
TOLERANCE = 1e-9
PARITY = 1e-3  # of the largest output: float32 sums in another order, fused by the runtimes
SUFFIXES = {"onnxruntime": ".onnx", "openvino": ".xml", "tflite": ".tflite"}
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Pruned:
    """What an architecture became: the pruned graph in float64, and the plan that made it."""

    module: nn.Module
    small: Graph
    chosen: PrunePlan
    inputs: Inputs


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same inputs every time."""
    torch.manual_seed(0)


@pytest.fixture
def journey(randomise, apart_from_zeroed, tmp_path: Path) -> Callable[..., Pruned]:
    """Trace, plan at half the MACs, apply; every node equals the reference in float64, and so do
    the outputs by the oracle that knows parameters alone, unless zero parameters leave something
    in removed channels (`leaves`); one step of training; plan and weights saved and replayed on a
    fresh trace."""

    def run(
        module: nn.Module, *inputs: Tensor, spread: float = 1.0, leaves: bool = False
    ) -> Pruned:
        inputs = tuple(one.double() if one.is_floating_point() else one for one in inputs)
        module = randomise(module)
        _scale(module, spread)
        graph = trace(module, inputs)
        chosen = plan(graph, macs=0.5)
        small = apply(graph, chosen)
        _understood(chosen)
        assert chosen.macs_kept <= 0.5 * chosen.macs_dense
        _equal(graph, chosen, small, inputs)
        if not leaves:
            assert apart_from_zeroed(graph, small, inputs) <= TOLERANCE
        _replays(module, chosen, small, inputs, tmp_path)
        _trains(small)
        return Pruned(module, small, chosen, inputs)

    return run


def _scale(module: nn.Module, spread: float) -> None:
    """Weights this much smaller, for nets without norms whose values would overflow."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(spread)


def _understood(chosen: PrunePlan) -> None:
    """No operator went without a rule, and no rule gave up."""
    reasons = [pinned.reason for pinned in chosen.pinned]
    assert not [reason for reason in reasons if "no rule" in reason or "gave up" in reason]


def _equal(graph: Graph, chosen: PrunePlan, small: Graph, inputs: Inputs) -> None:
    several = tuple(torch.cat([one, one.flip(0)]) for one in inputs)
    found = differences(graph, chosen, small, several if graph.dynamic_batch else inputs)
    worst = max(found, key=lambda name: found[name])
    assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"


def _replays(
    module: nn.Module, chosen: PrunePlan, small: Graph, inputs: Inputs, folder: Path
) -> None:
    """A plan and weights in files make the same net of a fresh trace."""
    chosen.save(folder / "plan.json")
    state = {name: tensor.contiguous() for name, tensor in _once(small.module).items()}
    save_file(state, folder / "weights.safetensors")
    again = apply(trace(module, inputs), PrunePlan.load(folder / "plan.json"))
    again.module.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    expected, found = (tree_leaves(graph.module(*inputs)) for graph in (small, again))
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def _once(module: nn.Module) -> dict[str, Tensor]:
    """The stored tensors without the further names of those that are tied."""
    seen = {tensor.data_ptr(): name for name, tensor in module.state_dict().items()}
    return {name: t for name, t in module.state_dict().items() if seen[t.data_ptr()] == name}


def _trains(small: Graph) -> None:
    """One step of training: every parameter gets a gradient, and moves by it."""
    module = small.copy().module
    move_exported_model_to_train(module)
    batch = tuple(torch.cat([one, one.flip(0)]) for one in small.inputs)
    outputs = tree_leaves(module(*(batch if small.dynamic_batch else small.inputs)))
    sum(output.square().mean() for output in outputs if output.is_floating_point()).backward()
    used = {p for name, p in module.named_parameters() if _reaches(module, name)}
    assert used
    assert all(p.grad is not None and p.grad.isfinite().all() for p in used)
    before = {id(p): p.detach().clone() for p in used}
    torch.optim.SGD(used, 1e-3).step()
    assert any(not torch.equal(p, before[id(p)]) for p in used)


def _reaches(module: nn.Module, name: str) -> bool:
    """Whether a parameter's node leads anywhere."""
    nodes = [n for n in module.graph.nodes if n.op == "get_attr" and n.target == name]
    return any(node.users for node in nodes)


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., None]:
    """Replay the plan in float32 and export to every runtime; it computes there what it does here.
    `refused` tells, for a runtime that can't take the net, what its named reason says."""

    def run(pruned: Pruned, refused: Mapping[str, str] | None = None) -> None:
        inputs = tuple(one.float() if one.is_floating_point() else one for one in pruned.inputs)
        module = pruned.small.copy().module.float()
        graph = apply(trace(pruned.module.float(), inputs), pruned.chosen)
        graph.module.load_state_dict(_once(module), strict=False)
        expected = [output.detach().numpy() for output in tree_leaves(graph.module(*inputs))]
        for runtime in SUFFIXES:
            reason = (refused or {}).get(runtime)
            if reason is None:
                _agree(expected, _computed(graph, runtime, tmp_path), runtime)
                continue
            with pytest.raises((ConversionError, ValueError), match=reason):  # converter or runtime
                _computed(graph, runtime, tmp_path)

    return run


def _computed(graph: Graph, runtime: str, folder: Path) -> list[np.ndarray]:
    """The outputs of the exported net, by its runtime."""
    exporter = import_module(f"targets.{runtime}.export")
    path = folder / f"net{SUFFIXES[runtime]}"
    exporter.export(graph.module, graph.inputs, path, precision="fp32")
    session = import_module(f"targets.{runtime}.session").Session(str(path))
    session.prepare()
    return session.run([tensor.numpy() for tensor in graph.inputs])


def _agree(expected: list[np.ndarray], found: list[np.ndarray], runtime: str) -> None:
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        gap, scale = np.abs(one - other).max(), np.abs(one).max()
        assert gap <= PARITY * scale, f"{runtime} differs by {gap} of {scale}"
