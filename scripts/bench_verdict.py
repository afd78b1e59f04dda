"""How often the verdict is wrong: the whole rule of a check against six shapes of simulated noise.

Each trial is judged by the product's own code (targets.trial.persevere, targets.budget.judge):
a first sitting, another where it was undecided, repetitions where a sitting drifted. Only the
samples are simulated. An artifact is at the budget when the median over processes of the process's
own quantile, at this number of samples, is the budget. Printed beside our rule's rates are those of
the rule before it (5 of 5 processes, then 6 of 6).

No rule that sees one sitting can tell a machine that is slow for longer than the sitting.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from bench_rows import Row, show
from verdict_noise import MODELS, Noise

from targets.budget import AbsoluteBudget, AbsoluteLimit, Observation, Verdict, judge
from targets.disturbance import LARGEST_DRIFT
from targets.limit import LATENCY_LIMITS
from targets.measurement import TimingRule
from targets.trial import persevere

QUANTILES = ("p50", "p95", "p99")
MOST_FALSE = 0.05
UNDER = 0.95
LEAST_PASSES, LEAST_PASSES_SHIFTED = 0.95, 0.85
BEFORE = replace(TimingRule(), retry_processes=6)
SEEDS, QUICK_SEEDS = 20_000, 2_000

_TRUTH_PROCESSES = 60_000
_CHUNK = 3_000  # processes simulated at a time


@dataclass(frozen=True)
class Sat:
    """What `persevere` asks of a sitting."""

    verdict: Verdict


@dataclass(frozen=True)
class Setting:
    """One shape of noise and one quantile."""

    noise: Noise
    quantile: str
    seed: int

    @property
    def limit(self) -> str:
        """The limit's name."""
        return f"latency_ms.{self.quantile}"

    def sittings(self, rule: TimingRule, stream: int) -> Iterator[tuple[list[float], float]]:
        """Each process's own quantile, and the median over processes of drift; without end."""
        rule = rule.covering(LATENCY_LIMITS[self.limit])
        generator = np.random.default_rng([self.seed, stream])
        count = max(1, _CHUNK // rule.processes)
        while True:
            samples = self.noise(generator, (count, rule.processes, rule.min_samples))
            drifts = np.median(_drift(samples), axis=1).tolist()
            values = _order_statistic(samples, LATENCY_LIMITS[self.limit]).tolist()
            yield from zip(values, drifts, strict=True)


def main() -> int:
    """Prints a table or rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS:,} seeds")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trials of each rate")
    asked = parser.parse_args()
    seeds = QUICK_SEEDS if asked.quick else asked.seeds
    settings = product(MODELS, QUANTILES)
    rows = (row for model, quantile in settings for row in rated(model, quantile, seeds))
    return show(rows, _told, as_json=asked.json)


def rated(model: str, quantile: str, seeds: int) -> Iterator[Row]:
    """The rows of one shape of noise and one quantile."""
    setting = Setting(MODELS[model], quantile, list(MODELS).index(model))
    budget = truth(setting)
    at, under = (outcomes(setting, budget / scale, seeds) for scale in (1.0, UNDER))
    past = (
        outcomes(setting, budget, seeds, BEFORE),
        outcomes(setting, budget / UNDER, seeds, BEFORE),
    )
    least = LEAST_PASSES_SHIFTED if model == "per-process shifts" else LEAST_PASSES
    name = f"{model}, {quantile}"
    yield _row(f"{name}: PASS at the budget", at["PASS"], past[0]["PASS"], most=MOST_FALSE)
    yield _row(f"{name}: FAIL at the budget", at["FAIL"], past[0]["FAIL"], most=MOST_FALSE)
    yield _row(f"{name}: PASS 5% under it", under["PASS"], past[1]["PASS"], least=least)
    yield _row(f"{name}: FAIL 5% under it", under["FAIL"], past[1]["FAIL"], most=MOST_FALSE)


def truth(setting: Setting) -> float:
    """The median over very many processes of the process's own quantile."""
    rule = TimingRule()
    sittings = setting.sittings(rule, 0)
    found = [next(sittings)[0] for _ in range(_TRUTH_PROCESSES // rule.processes)]
    return float(np.median(found))


def outcomes(
    setting: Setting, budget: float, seeds: int, rule: TimingRule | None = None
) -> dict[str, float]:
    """The share of trials that end in each status."""
    rule = rule or TimingRule()
    drawn = {
        one.processes: setting.sittings(one, stream)
        for stream, one in enumerate((rule, rule.retried()), 1)
    }
    absolute = AbsoluteBudget((AbsoluteLimit(setting.limit, budget, ""),))

    def take(current: TimingRule) -> Sat:
        values, drift = next(drawn[current.processes])
        fault = "drifts" if abs(drift) > LARGEST_DRIFT else None
        seen = Observation(tuple((one,) for one in values), invalid_reason=fault)
        return Sat(judge(absolute, {setting.limit: seen}, current.level))

    counts = Counter(persevere(take, rule, lambda _: None)[-1].verdict.status for _ in range(seeds))
    return {
        status: counts[status] / seeds for status in ("PASS", "FAIL", "INCONCLUSIVE", "INVALID")
    }


def _drift(samples: np.ndarray) -> np.ndarray:
    """As ProcessSamples.drift tells it, of each process."""
    third = samples.shape[-1] // 3
    first, last = np.median(samples[..., :third], -1), np.median(samples[..., -third:], -1)
    return np.asarray(last / first - 1)


def _order_statistic(samples: np.ndarray, quantile: float) -> np.ndarray:
    """As targets.measurement.order_statistic tells it, of each process."""
    rank = int(np.ceil(quantile * samples.shape[-1] - 1e-9)) - 1
    return np.asarray(np.partition(samples, rank, axis=-1)[..., rank])


def _row(
    name: str, observed: float, before: float, *, least: float = 0.0, most: float = 1.0
) -> Row:
    return {
        "name": name,
        "target": f">= {least:.0%}" if least else f"<= {most:.0%}",
        "observed": observed,
        "before": before,
        "met": least <= observed <= most,
    }


def _told(row: Row) -> str:
    missed = "" if row["met"] else "  MISSED"
    name, target = row["name"], row["target"]
    return f"{name:44} {row['observed']:7.2%} ({target}; before {row['before']:.2%}){missed}"


if __name__ == "__main__":
    sys.exit(main())
