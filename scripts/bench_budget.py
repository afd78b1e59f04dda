"""Pruning ResNet-20 to measured budgets: what the table costs and predicts, where budgets land,
what accuracy is left at equal latency, and the headline.

Every figure is kept in the output folder once it is there, so a run that was interrupted goes on
with the next. Each part tells the rows of what is known whole. Latency wants a machine that does
nothing else.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import budget_accuracy
import budget_headline
import budget_landing
import budget_prediction
import torch
from budget_desk import PRECISIONS, RUNTIMES, Asked
from budget_store import Row, Store


@dataclass(frozen=True)
class Part:
    """A part of the benchmark: what finds figures out, and what makes rows of them."""

    collect: Callable[[Asked, Store], None]
    rows: Callable[[Asked, Store], Iterator[Row]]


PARTS: Mapping[str, Part] = {
    "prediction": Part(budget_prediction.collect, budget_prediction.rows),
    "landing": Part(budget_landing.collect, budget_landing.rows),
    "accuracy": Part(budget_accuracy.collect, budget_accuracy.rows),
    "headline": Part(budget_headline.collect, budget_headline.rows),
}
QUICK_RUNTIMES = ("onnxruntime",)


def main() -> int:
    """Finds what is missing and prints all. 3 where a target is missed; an aim may be."""
    asked, as_json, names, store = _arguments()
    torch.set_num_threads(1)
    for name in names:
        PARTS[name].collect(asked, store)
    rows = [one for name in names for one in PARTS[name].rows(asked, store)]
    print(json.dumps(rows, indent=2) if as_json else _table(rows))
    judged = [one for one in rows if not str(one["name"]).endswith(": aim")]
    return 0 if rows and all(one["met"] for one in judged) else 3


def _arguments() -> tuple[Asked, bool, list[str], Store]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of train.zip, test.zip and weights")
    parser.add_argument("--out", type=Path, default=Path("runs/budget"))
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help="one runtime, few plans, no training")
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    parser.add_argument("--runtime", choices=RUNTIMES, action="append", help="this runtime alone")
    parser.add_argument("--precision", choices=PRECISIONS, action="append", help="this alone")
    given = parser.parse_args()
    runtimes = given.runtime or (QUICK_RUNTIMES if given.quick else RUNTIMES)
    precisions = given.precision or (PRECISIONS[-1:] if given.quick else PRECISIONS)
    asked = Asked(given.data.resolve(), given.out, given.quick, runtimes, precisions)
    names = [given.only] if given.only else list(PARTS)
    if given.quick and not given.only:
        names.remove("headline")  # it trains
    return asked, given.json, names, Store(given.out / "figures.jsonl")


def _table(rows: list[Row]) -> str:
    lines = ["| what | target | observed | met |", "|---|---|---|---|"]
    for one in rows:
        target = one["target"] or ""
        lines.append(f"| {one['name']} | {target} | {one['observed']} | {one['met']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
