"""Accuracy of the pruned ResNet-20 on CIFAR-10's whole test set, ours beside the peers'.

Every figure is kept in the output folder once it is there, so a run that was interrupted goes on
with the next. Targets are of the mean over three seeds, which draw the 512 calibration images.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import accuracy_ways as ways
import torch

SHARES = (0.75, 0.5, 0.375)
SEEDS = (0, 1, 2)
TARGETS = {
    ("no training", 0.75): (86.7, 87.3),
    ("no training", 0.5): (80.0, 82.0),
    ("no training", 0.375): (73.0, 76.0),
    ("one epoch", 0.75): (87.0, 87.7),
    ("one epoch", 0.5): (84.8, 86.0),
    ("one epoch", 0.375): (82.5, 84.0),
}  # fmt: skip
OURS = "edgesmith"
NATIVE = "natively smaller, 30 epochs"
TOLERANCE = 0.01  # of the dense network's MACs


@dataclass(frozen=True)
class Figure:
    """One network's accuracy in percent, its MACs as a share of the dense one's, and the time."""

    way: str
    training: str
    share: float
    seed: int
    accuracy: float
    macs: float
    seconds: float


@dataclass(frozen=True)
class Job:
    """What is still to be found out."""

    way: str
    training: str
    share: float
    seed: int


def main() -> int:
    """Finds what is missing and prints all. 3 where a floor is missed."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    jobs = _jobs(asked)
    store = asked.out / "figures.jsonl"
    asked.out.mkdir(parents=True, exist_ok=True)
    known = {_key(one): one for one in _read(store)}
    for seed in SEEDS:
        _run([job for job in jobs if job.seed == seed and _key(job) not in known], asked, store)
    known = {_key(one): one for one in _read(store)}
    figures = [known[_key(job)] for job in jobs if _key(job) in known]
    rows = list(_rows(figures, len({job.seed for job in jobs})))
    print(json.dumps(rows, indent=2) if asked.json else _table(figures))
    return 0 if all(row["met"] for row in rows if "floor" in str(row["name"])) else 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of train.zip, test.zip and weights")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help="half the MACs, one seed, no training")
    parser.add_argument("--epochs", action="store_true", help="one epoch of recovery, too")
    parser.add_argument("--peers", action="store_true", help="the peers, too")
    parser.add_argument("--native", action="store_true", help="train smaller networks: hours")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _jobs(asked: argparse.Namespace) -> list[Job]:
    names = list(ways.WAYS) if asked.peers else [OURS]
    if asked.quick:
        return [Job(name, "no training", 0.5, SEEDS[0]) for name in names]
    trainings = ["no training", *(["one epoch"] if asked.epochs else [])]
    jobs = [
        Job(name, training, share, seed)
        for name in names
        for training in trainings
        for share in SHARES
        for seed in SEEDS
    ]
    if asked.native:
        jobs += [Job(NATIVE, "30 epochs", share, seed) for share in SHARES for seed in SEEDS]
    return jobs


def _key(one: Job | Figure) -> tuple[str, str, float, int]:
    return one.way, one.training, one.share, one.seed


def _read(store: Path) -> list[Figure]:
    if not store.exists():
        return []
    lines = store.read_text(encoding="utf-8").splitlines()
    return [Figure(**json.loads(line)) for line in lines if line.endswith("}")]


def _run(jobs: list[Job], asked: argparse.Namespace, store: Path) -> None:
    """All jobs of one seed; a peer that is not installed is said to be absent."""
    if not jobs:
        return
    bench = ways.Bench(asked.data, asked.out, jobs[0].seed, _say)
    for job in jobs:
        try:
            figure = _figure(bench, job)
        except ModuleNotFoundError as absent:
            _say(f"{job.way}: left out, since {absent.name} is not installed")
            continue
        with store.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(figure)) + "\n")
        _say(f"{figure}")


def _figure(bench: ways.Bench, job: Job) -> Figure:
    started = time.monotonic()
    if job.way == NATIVE:
        graph = bench.train(bench.native(job.share), ways.NATIVE)
    else:
        graph = bench.made(job.way, job.share)
        if job.training == "one epoch":
            graph = bench.train(graph, ways.EPOCH)
    kept = ways.macs(graph) / ways.macs(bench.dense)
    accuracy = bench.accuracy(graph)
    seconds = time.monotonic() - started
    return Figure(*_key(job), round(accuracy, 2), round(kept, 4), round(seconds, 1))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _rows(figures: list[Figure], seeds: int) -> Iterator[dict[str, object]]:
    """A floor and an aim for each of our figures, and what peers reach."""
    for way, training, share in sorted({_key(one)[:3] for one in figures}):
        own = [one for one in figures if _key(one)[:3] == (way, training, share)]
        mean = round(sum(one.accuracy for one in own) / len(own), 2)
        close = all(abs(one.macs - share) <= TOLERANCE for one in own)
        name = f"{way}, {training}, {share:.1%} of the MACs, mean of {len(own)}"
        goals = TARGETS.get((training, share)) if way == OURS else None
        if goals is None:
            yield {"name": name, "target": None, "observed": mean, "met": True}
            continue
        for kind, goal in zip(("floor", "aim"), goals, strict=True):
            met = mean >= goal and close and len(own) == seeds
            yield {"name": f"{name}: {kind}", "target": goal, "observed": mean, "met": met}


def _table(figures: list[Figure]) -> str:
    heads = ("way", "training", "MACs", "accuracy, mean", "each", "seconds")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for way, training, share in sorted({_key(one)[:3] for one in figures}):
        own = [one for one in figures if _key(one)[:3] == (way, training, share)]
        mean = sum(one.accuracy for one in own) / len(own)
        each = ", ".join(f"{one.accuracy:.2f}" for one in own)
        seconds = ", ".join(f"{one.seconds:.0f}" for one in own)
        shares = ", ".join(f"{one.macs:.1%}" for one in own)
        lines.append(f"| {way} | {training} | {shares} | {mean:.2f} | {each} | {seconds} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
