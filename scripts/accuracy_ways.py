"""Ways to make the benchmark's network smaller: ours, and the peers' on the same data."""

from collections.abc import Callable
from pathlib import Path

import torch
from accuracy_data import BATCH, CifarTask, ResNet20, augmented, trained
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.inference import infer
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.importance import CalibrationData, observe
from pipeline.prune.probing import measure
from pipeline.prune.repair import Strength, repair, repair_told
from pipeline.prune.sensitivity import Sensitivity
from pipeline.recipe import Distill, Recover
from pipeline.recover import recover

TURNS = Strength(rounds=3, turns=4, places=65_536)
PROBED = 2  # batches on which sensitivity is measured
SHIFTED = 2  # shifted copies of the calibration images besides the mirrored one
EPOCH = Recover(epochs=1, learning_rate=2e-3, distill=Distill(temperature=4, weight=0.9))
NATIVE = Recover(epochs=30, learning_rate=1e-2)
NATIVE_WIDTHS = {0.75: (14, 28, 55), 0.5: (11, 23, 45), 0.375: (10, 20, 39)}
Shares = float


class Bench:
    """One seed's data and the dense network."""

    def __init__(self, folder: Path, out: Path, seed: int, say: Callable[[str], None]) -> None:
        """`seed` draws the calibration images and seeds all training; `out` keeps tables."""
        self.seed = seed
        self.task = CifarTask(folder, seed)
        self.say = say
        self.folder = folder
        inputs, _ = next(iter(self.task.batches("calibration")))
        self.dense = trace(trained(folder), (inputs[0][:1],))
        images = torch.cat([one for (one,), _ in self.task.batches("calibration")])
        self.plain = CalibrationData(tuple(self.task.batches("calibration")), self.task.loss)
        self.batches = [(part,) for part in self._widened(images).split(BATCH)]
        self._table = out / f"sensitivity-{seed}.json"
        self._made: dict[tuple[str, Shares], Graph] = {}

    def _widened(self, images: Tensor) -> Tensor:
        """The calibration images, mirrored ones, and shifted ones."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            shifted = [augmented(images) for _ in range(SHIFTED)]
        return torch.cat([images, images.flip(-1), *shifted])

    def table(self) -> Sensitivity:
        """What each group's widths cost, measured once and kept."""
        if self._table.exists():
            return Sensitivity.model_validate_json(self._table.read_text(encoding="utf-8"))
        evidence = observe(self.dense, survey(self.dense), "obs", self.plain)
        some = CalibrationData(self.plain.batches[:PROBED])
        found = measure(self.dense, evidence, some, progress=lambda text, _: self.say(text))
        self._table.write_text(found.model_dump_json(), encoding="utf-8")
        return found

    def made(self, way: str, share: Shares) -> Graph:
        """What a way makes at this share of the MACs, before any training."""
        if (way, share) not in self._made:
            self._made[way, share] = WAYS[way](self, share)
        return self._made[way, share]

    def accuracy(self, graph: Graph) -> float:
        """On the whole test set, in percent."""
        metric = self.task.metrics()[0]
        with torch.no_grad():
            for inputs, target in self.task.batches("test"):
                metric.update(infer(graph.module, inputs), target)
        return 100 * metric.compute()

    def train(self, student: Graph, settings: Recover) -> Graph:
        """Recovery; the teacher is the dense network."""
        seeded = settings.model_copy(update={"seed": self.seed})
        return recover(student, self.dense, self.task, seeded, self._progress).graph

    def _progress(self, message: str, done: float) -> None:
        if round(done * 1000) % 100 == 0:
            self.say(message)

    def native(self, share: Shares) -> Graph:
        """A network of about this share of the MACs by its widths alone, not trained."""
        torch.manual_seed(self.seed)
        return trace(ResNet20(NATIVE_WIDTHS[share]).eval(), self.dense.inputs)


def ours(bench: Bench, share: Shares) -> Graph:
    """Reconstruction error ranks, sensitivity allocates, least squares repairs."""
    chosen = plan(
        bench.dense, macs=share, importance="obs", strategy="sensitivity",
        sensitivity=bench.table(), data=bench.plain,
    )  # fmt: skip
    pruned = apply(bench.dense, chosen)
    return repair_told(bench.dense, pruned, chosen, bench.batches, strength=TURNS).graph


def uniform(bench: Bench, share: Shares) -> Graph:
    """The same share of every group by magnitude, and batch norms measured anew."""
    chosen = plan(bench.dense, macs=share)
    return normalised(bench, apply(bench.dense, chosen), chosen)


def normalised(bench: Bench, pruned: Graph, chosen: PrunePlan) -> Graph:
    """Batch norms measured anew on the calibration images."""
    return repair(bench.dense, pruned, chosen, bench.batches, method="batchnorm")


def torch_pruning(importance: str) -> Callable[[Bench, Shares], Graph]:
    """Torch-Pruning with its defaults, at the ratio that leaves this share of its own MACs."""

    def way(bench: Bench, share: Shares) -> Graph:
        low, high = 0.0, 0.9
        for _ in range(12):
            middle = (low + high) / 2
            if _theirs(bench, importance, middle)[1] > share:
                low = middle
            else:
                high = middle
        graph = trace(_theirs(bench, importance, high)[0], bench.dense.inputs)
        return normalised(bench, graph, plan(bench.dense, ratio=0.0))

    return way


def _theirs(bench: Bench, importance: str, ratio: float) -> tuple[nn.Module, float]:
    import torch_pruning as tp  # a peer, not a dependency: absent where nobody installed it

    net = trained(bench.folder)
    example = bench.dense.inputs[0]
    before, _ = tp.utils.count_ops_and_params(net, example)
    judge = (
        tp.importance.GroupTaylorImportance()
        if importance == "taylor"
        else tp.importance.GroupMagnitudeImportance(p=1)
    )
    pruner = tp.pruner.BasePruner(
        net, example, importance=judge, pruning_ratio=ratio, ignored_layers=[net.linear]
    )
    if importance == "taylor":
        for (inputs,), target in bench.plain.batches:
            bench.task.loss(net(inputs), target).backward()
    pruner.step()
    after, _ = tp.utils.count_ops_and_params(net, example)
    return net.eval(), after / before


WAYS: dict[str, Callable[[Bench, Shares], Graph]] = {
    "edgesmith": ours,
    "uniform width": uniform,
    "Torch-Pruning magnitude": torch_pruning("magnitude"),
    "Torch-Pruning Taylor": torch_pruning("taylor"),
}


def macs(graph: Graph) -> int:
    """Multiply-accumulates per image."""
    census = survey(graph).census
    return census.count_macs(census.everything())
