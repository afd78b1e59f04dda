"""How often the regression gate is right: simulated, and with real models on this machine.

Simulated: the product's own rule (targets.trial.persevere over targets.regression.judge) under
twelve shapes of noise. An artifact of equal speed, one exactly at what is allowed, and one 20 %
slower are judged by `latency_ms.p50=5%`; only the samples are made up. Printed beside our rule's
rates are those of a single session of 8 pairs at 95 %, which it was before.

Real: `edgesmith check NEW --baseline RUN --max-regression latency_ms.p50=5%`, 20 times with a net
that is some 20 % slower than the baseline's by more of the same blocks, and 20 times with the
baseline's own file. Each is a process of its own, judged by its exit code.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bench_rows import Row, show
from gate_models import RUNTIME, baseline_run
from gate_noise import MODELS, Pairs

from targets.budget import Observation, Verdict
from targets.measurement import TimingRule, median
from targets.regression import judge, rule_of, settled
from targets.trial import persevere

QUANTITY, ALLOWED, SLOWER = "latency_ms.p50", 0.05, 0.20
MOST_FALSE, LEAST_FOUND = 0.05, 0.95
RUNS, QUICK_RUNS, RIGHT = 20, 3, 0.95
SESSIONS, QUICK_SESSIONS = 10_000, 400
PASSED, FAILED = 0, 3
BEFORE = replace(TimingRule(), level=0.05)

_ROOT = Path(__file__).parent.parent
_CHUNK = 200  # sessions simulated at a time
_COMMAND = "from pipeline.cli import main; main()"


def main() -> int:
    """Prints a table or rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} real runs each way")
    parser.add_argument("--only", choices=("simulated", "real"), help="one of the two")
    parser.add_argument("--runs", type=int, help=f"real runs each way; without it, {RUNS}")
    asked = parser.parse_args()
    runs = asked.runs or (QUICK_RUNS if asked.quick else RUNS)
    sessions = QUICK_SESSIONS if asked.quick else SESSIONS
    parts: Mapping[str, Callable[[], Iterator[Row]]] = {
        "simulated": lambda: simulated(sessions),
        "real": lambda: real(runs),
    }
    chosen = (part for name, part in parts.items() if asked.only in (None, name))
    return show((row for part in chosen for row in part()), _told, as_json=asked.json)


@dataclass(frozen=True)
class Sat:
    """What `persevere` asks of a session."""

    verdict: Verdict


def simulated(sessions: int) -> Iterator[Row]:
    """The rows of every shape of noise. A rate of exactly 5 % may come out higher by chance: two
    standard errors of so many sessions are allowed."""
    chance = 2 * math.sqrt(MOST_FALSE * (1 - MOST_FALSE) / sessions)
    for seed, (name, noise) in enumerate(MODELS.items()):
        for what, times, least, most in (
            ("equal", 1.0, 0.0, MOST_FALSE),
            ("at what is allowed", 1 + ALLOWED, 0.0, MOST_FALSE + chance),
            (f"{SLOWER:.0%} slower", 1 + SLOWER, LEAST_FOUND, 1.0),
        ):
            failed, pairs = outcomes(noise, times, sessions, seed)
            yield {
                "name": f"simulated, {name}: {what}, called a regression",
                "target": f">= {least:.0%}" if least else f"<= {most:.1%}",
                "observed": failed,
                "single": single(noise, times, sessions, seed),
                "mean_pairs": pairs,
                "met": least <= failed <= most,
            }


def outcomes(noise: Pairs, times: float, sessions: int, seed: int) -> tuple[float, float]:
    """The share of gates that fail, and the mean number of pairs that one takes."""
    first = rule_of(TimingRule(), {QUANTITY: ALLOWED})
    second = first.retried()
    drawn = {
        rule.processes: drawing(noise, times, rule.processes, [seed, stream])
        for stream, rule in enumerate((first, second))
    }
    taken = Counter[int]()

    def take(rule: TimingRule) -> Sat:
        taken[rule.processes] += 1
        return Sat(_judged(*next(drawn[rule.processes]), rule.level))

    found = [settled(persevere(take, first, lambda _: None)[-1].verdict) for _ in range(sessions)]
    failed = sum(one.status == "FAIL" for one in found) / sessions
    return failed, sum(pairs * count for pairs, count in taken.items()) / sessions


def single(noise: Pairs, times: float, sessions: int, seed: int) -> float:
    """The share of gates that fail by one session alone."""
    rule = rule_of(BEFORE, {QUANTITY: ALLOWED})
    drawn = drawing(noise, times, rule.processes, [seed, 2])
    found = [_judged(*next(drawn), rule.level).status for _ in range(sessions)]
    return found.count("FAIL") / sessions


def drawing(
    noise: Pairs, times: float, pairs: int, seed: list[int]
) -> Iterator[tuple[list[float], list[float]]]:
    """Each session's processes of the baseline and of the new artifact, without end."""
    generator = np.random.default_rng(seed)
    while True:
        old, new = (np.exp(one) for one in noise(generator, _CHUNK, pairs))
        yield from zip(old.tolist(), (times * new).tolist(), strict=True)


def _judged(old: list[float], new: list[float], level: float) -> Verdict:
    sides = ({QUANTITY: Observation(tuple((one,) for one in side))} for side in (old, new))
    return judge(*sides, {QUANTITY: ALLOWED}, level)[0]


def real(runs: int) -> Iterator[Row]:
    """The gate on this machine, both ways."""
    with tempfile.TemporaryDirectory() as folder:
        run, slower = baseline_run(Path(folder))
        same = run / "artifacts" / RUNTIME / slower.name
        pairs = [(Checked.of(slower, run), Checked.of(same, run)) for _ in range(runs)]
    slow, equal = (list(column) for column in zip(*pairs, strict=True))
    yield _real("20% slower, fails", slow, FAILED)
    yield _real("itself, passes", equal, PASSED)


@dataclass(frozen=True)
class Checked:
    """One gate: its exit code, its ratio, and how many pairs it took."""

    code: int
    ratio: float
    pairs: int

    @classmethod
    def of(cls, model: Path, run: Path) -> "Checked":
        """A model checked against a run by the command line."""
        asked = ["check", str(model), "--baseline", str(run), "--json"]
        asked += ["--max-regression", f"{QUANTITY}={ALLOWED:.0%}"]
        command = [sys.executable, "-c", _COMMAND, *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
        try:
            baseline = json.loads(done.stdout)["baseline"]
        except (ValueError, KeyError):
            raise SystemExit(f"the check failed: {done.stderr[-500:]}") from None
        print(f"{model.parent.name}: exit code {done.returncode}", file=sys.stderr, flush=True)
        pairs = sum(one["pairs"] for one in baseline["sessions"])
        ratio = baseline["ratio"].get(QUANTITY, {"estimate": float("nan")})
        return cls(done.returncode, ratio["estimate"], pairs)


def _real(name: str, found: list[Checked], code: int) -> Row:
    right = sum(one.code == code for one in found)
    return {
        "name": f"real, {name}",
        "target": f">= {RIGHT:.0%} of {len(found)}",
        "observed": right / len(found),
        "right": right,
        "codes": dict(Counter(str(one.code) for one in found)),
        "ratio": median([one.ratio for one in found]),
        "ratios": [one.ratio for one in found],
        "mean_pairs": sum(one.pairs for one in found) / len(found),
        "met": right >= RIGHT * len(found),
    }


def _told(row: Row) -> str:
    beside = f"; single session {row['single']:.2%}" if "single" in row else ""
    beside += f"; ratio {row['ratio']:.3f}" if "ratio" in row else ""
    missed = "" if row["met"] else "  MISSED"
    name, target = row["name"], row["target"]
    shown = f"{row['observed']:7.2%} ({target}{beside}; {row['mean_pairs']:.1f} pairs)"
    return f"{name:66} {shown}{missed}"


if __name__ == "__main__":
    sys.exit(main())
