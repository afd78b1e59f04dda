"""What the budget benchmark works with: the recipe at any budget, and measured artifacts."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accuracy_data import read as read_images

from pipeline import evidence, losing, run, stages
from pipeline.console import Console
from pipeline.cost.building import Bench as Probing
from pipeline.cost.building import build
from pipeline.cost.costs import Costs
from pipeline.cost.design import disjoint
from pipeline.cost.reading import Reading
from pipeline.cost.setting_up import bench_for
from pipeline.cost.table import CostTable
from pipeline.desk import Desk
from pipeline.doors import Order, desk_for
from pipeline.graph import Graph
from pipeline.inference import infer
from pipeline.prune import BlockEvidence, PrunePlan, apply
from pipeline.results import Made
from targets.artifact import Artifact
from targets.measurement import TimingRule, median
from targets.target import Target
from targets.trial import sitting

RECIPE = Path(__file__).parents[1] / "recipes" / "cifar10"
RUNTIMES = ("tflite", "openvino", "onnxruntime")
PRECISIONS = ("fp32", "int8")
PRUNE = "{prune: {to: budget, importance: obs, strategy: sensitivity}}"
QUANTIZE = "{quantize: {scheme: int8, mode: ptq}}"
SHORT = replace(
    TimingRule.quick(), processes=3, memory_processes=0, min_samples=100, min_seconds=0.3
)
"""Of one artifact beside dense: fresh processes, as everywhere, and some eight seconds in all."""
PROBING_MINUTES = 4.5
"""A table ends within the batch that it is in."""
Splits = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Asked:
    """What the benchmark was asked for.

    Attributes:
        data: the folder of CIFAR-10-JPEG.
        out: where figures and run folders are kept.
        quick: a few of the figures.
        runtimes, precisions: of these alone.
    """

    data: Path
    out: Path
    quick: bool
    runtimes: Sequence[str] = RUNTIMES
    precisions: Sequence[str] = PRECISIONS

    def pairs(self) -> list[tuple[str, str]]:
        """Runtimes with precisions."""
        return [(runtime, precision) for runtime in self.runtimes for precision in self.precisions]


@contextmanager
def recipe_desk(
    asked: Asked,
    runtime: str,
    precision: str,
    *,
    budget: str = "{size_kb: 100000}",
    recover: str = "",
    seed: int = 0,
) -> Iterator[Desk]:
    """The recipe's desk for one runtime, with these steps; one run folder serves all of them."""
    steps = [PRUNE, *([recover] if recover else []), *([QUANTIZE] if precision == "int8" else [])]
    overrides = (
        f"params={{data: {asked.data}, validation: train, seed: {seed}}}",
        f"budget={budget}",
        f"steps=[{', '.join(steps)}]",
    )
    order = Order(RECIPE, asked.out / "run", runtimes=(runtime,), overrides=overrides)
    with Console() as console, redirect_stdout(sys.stderr), desk_for(order, console) as desk:
        yield desk


@dataclass(frozen=True)
class Bench:
    """One runtime and precision with its table of costs.

    Attributes:
        desk: the recipe's.
        dense: the dense model in float32.
        table: what widths and blocks cost.
        reading: the dense graph's sites.
        blocks: that can go, without any divergence.
    """

    desk: Desk
    runtime: str
    dense: Made
    table: CostTable
    reading: Reading
    blocks: BlockEvidence

    @property
    def costs(self) -> Costs:
        """The table, fitted."""
        return Costs(self.table)

    @property
    def removable(self) -> list[str]:
        """Blocks that can go together."""
        return disjoint(self.blocks)

    def predicted(self, plan: PrunePlan) -> float:
        """A plan's p50 in ms."""
        graph = apply(self.desk.dense, plan)
        return self.costs.predict(self.reading.present(graph)).latency_ms["p50"]

    def artifact(self, plan: PrunePlan) -> Artifact:
        """A plan's artifact by the doors of a run, before any recovery."""
        folder = stages.carry_out(self.desk, self.dense.folder, plan, "none")
        made = stages.draft(self.desk, folder, self.desk.quantize, (self.runtime,))
        return evidence.describe(self.desk, self.runtime, made.files[self.runtime]).artifact

    def whole(self) -> Artifact:
        """The unpruned artifact in the precision of the table: its reference."""
        made = stages.draft(self.desk, self.dense.folder, self.desk.quantize, (self.runtime,))
        return evidence.describe(self.desk, self.runtime, made.files[self.runtime]).artifact

    @property
    def dense_artifact(self) -> Artifact:
        """The dense model in float32."""
        return self.dense.seen[self.runtime].artifact

    def ratio(self, artifact: Artifact, reference: Artifact) -> dict[str, float]:
        """p50 and p95 as shares of the reference's that ran beside it, medians over processes."""
        pair = {"reference": reference, "one": artifact}
        for _ in range(SHORT.attempts):
            found = sitting(self.desk.targets[self.runtime], pair, SHORT)
            if not any(one.invalid_reason() for one in found.values()):
                break
        shares = {}
        for name, at in (("p50", 0.5), ("p95", 0.95)):
            both = zip(found["one"].latency_ms(at), found["reference"].latency_ms(at), strict=True)
            shares[name] = median([one / beside for one, beside in both])
        return shares


def bench_of(desk: Desk, runtime: str) -> Bench:
    """A desk's bench. Where no earlier run left a table, it is probed as by `edgesmith cost`."""
    dense = run.baseline(desk)
    probing = probing_of(desk, runtime)
    table = build(probing, PROBING_MINUTES)
    return Bench(desk, runtime, dense, table, probing.reading, probing.evidence)


def probing_of(desk: Desk, runtime: str) -> Probing:
    """What a runtime's table is probed with, or found by."""
    batches, target = desk.task.batches("calibration"), desk.targets[runtime]
    return bench_for(desk.dense, batches, desk.device, target, desk.quantize, desk.console.progress)


def losses_of(bench: Bench) -> losing.Losses:
    """What the planner goes by besides the table."""
    prune = bench.desk.prune
    assert prune is not None, "the recipe prunes"
    return losing.measured(bench.desk, bench.dense.folder, prune)


def test_images(data: Path) -> Splits:
    """The whole test set: images (N, 3, 32, 32) and labels (N,)."""
    return read_images(data, "test").tensors()


def accuracy(graph: Graph, data: Path) -> float:
    """Of a graph on the whole test set, in percent."""
    images, labels = test_images(data)
    right = 0
    with torch.no_grad():
        for part, wanted in zip(images.split(128), labels.split(128), strict=True):
            found = infer(graph.module, (part,))
            assert isinstance(found, torch.Tensor)
            right += int((found.argmax(1) == wanted).sum())
    return 100 * right / len(labels)


def artifact_accuracy(target: Target, artifact: Artifact, data: Path) -> float:
    """Of an artifact on the whole test set, by its own runtime, in percent."""
    images, labels = test_images(data)
    outputs = target.infer(artifact, (images.numpy(),))
    return 100 * float((outputs[0].argmax(1) == labels.numpy()).mean())
