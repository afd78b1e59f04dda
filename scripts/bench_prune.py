"""Pruning's speed: seconds of CPU per net and their growth with depth, beside Torch-Pruning 1.6.1.

Both tools prune the same nets to half of each width, in one process and one thread. Torch-Pruning
is measured where it is installed (`pip install torch-pruning==1.6.1`), with its defaults.
"""

import argparse
import copy
import gc
import importlib.util
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

import torch
from bench_models import IMAGE, MODELS, resnet50
from bench_rows import Row, show
from torch import nn

from pipeline.graph import Graph, groups, trace
from pipeline.prune import apply, plan

PEER = "torch_pruning"
MOST_S = 1.0  # labels + groups + plan + apply, of each net
SLACK = 1.25  # of linear growth with the number of nodes
QUICK = ("MobileNetV2", "DenseNet-121", "ViT-S")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Times:
    """Seconds of CPU time; the number of the graph's nodes."""

    traced_s: float
    pruned_s: float
    nodes: int


def main() -> int:
    """Measure and print a table or rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help="three nets, half the depths")
    parser.add_argument("--limit", type=float, default=120.0, help="the peer's seconds per net")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    has_peer = importlib.util.find_spec(PEER) is not None
    if not has_peer:
        sys.stderr.write(
            "Torch-Pruning isn't installed, so its times are missing; to have them: "
            "pip install --no-deps torch-pruning==1.6.1\n"
        )
    names = QUICK if asked.quick else MODELS
    of_nets = (row for name in names for row in measured(name, has_peer, asked.limit))
    rows = chain(of_nets, growth((1, 2, 4) if asked.quick else (1, 2, 4, 8)))
    return show(rows, _told, as_json=asked.json)


def _told(row: Row) -> str:
    return f"{row['name']}: {row['observed']} (target {row['target']})"


def measured(name: str, has_peer: bool, limit_s: float) -> Iterator[Row]:
    """The rows of one net."""
    torch.manual_seed(0)
    module = MODELS[name]().eval()
    theirs = peer(copy.deepcopy(module), limit_s) if has_peer else "not installed"
    own = ours(module)
    seconds = round(own.pruned_s, 3)
    yield row(f"{name}: labels + groups + plan + apply, s", f"<= {MOST_S}", seconds, MOST_S)
    whole = own.traced_s + own.pruned_s
    yield told(f"{name}: trace + groups + plan + apply, s", round(whole, 2))
    yield told(
        f"{name}: Torch-Pruning, s", round(theirs, 2) if isinstance(theirs, float) else theirs
    )
    if isinstance(theirs, float):
        yield told(f"{name}: times Torch-Pruning's time to ours", round(theirs / whole, 2))


def growth(depths: tuple[int, ...]) -> Iterator[Row]:
    """ResNet-50 with its blocks repeated: seconds per node, relative to the shallowest."""
    first: float | None = None
    for deep in depths:
        torch.manual_seed(0)
        own = ours(resnet50(deep))
        each = own.pruned_s / own.nodes
        first = first or each
        name = f"ResNet-50, {deep}x deep ({own.nodes} nodes, {own.pruned_s:.2f} s)"
        yield row(f"{name}: time per node, relative", f"<= {SLACK}", round(each / first, 2), SLACK)


def ours(module: nn.Module, repeats: int = 3) -> Times:
    """The least of a few repeats, each from a fresh copy of the traced graph."""
    traced_s, graph = timed(lambda: trace(module, (torch.randn(IMAGE),)))
    copies = [graph.copy() for _ in range(repeats)]
    pruned_s = [timed(partial(prune, each))[0] for each in copies]
    return Times(traced_s, min(pruned_s), len(graph.module.graph.nodes))


def prune(graph: Graph) -> Graph:
    """Groups, a plan for half of each width, and the pruned graph."""
    groups(graph)
    return apply(graph, plan(graph, ratio=0.5))


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds of this process, and the result. Rubbish of earlier work is collected first."""
    gc.collect()
    gc.freeze()
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def peer(module: nn.Module, limit_s: float) -> float | str:
    """CPU seconds of Torch-Pruning's graph, plan and surgery, or why there are none."""
    import torch_pruning

    example = torch.randn(IMAGE)
    head = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]

    def work() -> None:
        pruner = torch_pruning.pruner.MetaPruner(
            module,
            example,
            importance=torch_pruning.importance.MagnitudeImportance(p=1),
            pruning_ratio=0.5,
            ignored_layers=[head],
        )
        pruner.step()
        with torch.no_grad():
            module(example)

    try:
        with limited(limit_s):
            return timed(work)[0]
    except TimeoutError:
        return f"not done in {limit_s:.0f} s"
    except Exception as error:  # noqa: BLE001 whatever the peer raises is its answer
        return f"failed: {type(error).__name__}: {str(error)[:80]}"


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block after so many seconds."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def row(name: str, target: str, observed: float, most: float) -> Row:
    """A row with a target."""
    return {"name": name, "target": target, "observed": observed, "met": observed <= most}


def told(name: str, observed: float | str) -> Row:
    """A row that only tells."""
    return {"name": name, "target": "told", "observed": observed, "met": True}


if __name__ == "__main__":
    sys.exit(main())
