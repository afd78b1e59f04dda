"""Damaged models through `check` (load and analysis) and damaged packages through `verify`.

Each case runs in one limited child process. It must end with an exit code and a message: no
traceback, no signal, not more than 10 s or 2 GB. What a case is follows from the seed and its
number; outcomes are kept one by one, so a run that was cut off goes on. A change of the product's
code begins anew.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from hashlib import sha256
from pathlib import Path

from budget_store import Row, Store, row, say, told
from fuzz_cases import Seeds
from fuzz_child import MEMORY_BYTES, MOST_S, in_own_folder

ROOT = Path(__file__).resolve().parents[1]
CASES, QUICK_CASES = 2000, 200
Facts = list[dict[str, object]]


def main() -> int:
    """Runs what is missing and prints a table or rows. 3 where a target is missed."""
    asked = _arguments()
    seeds = _seeds()
    if asked.case is not None:
        return _one(seeds, asked)
    store = Store(asked.out / f"{_version()}.jsonl")
    known = store.facts()
    for number in range(asked.cases):
        key = (asked.seed, number)
        if key in known:
            continue
        case = seeds.case(asked.seed, number)
        outcome = in_own_folder(case.write, case.door, asked.patience)
        fact = {"door": case.door, "file": case.name, **outcome.fact()}
        known[key] = store.find(key, lambda fact=fact: fact)
    rows = list(_rows([known[asked.seed, number] for number in range(asked.cases)]))
    print(json.dumps(rows, indent=2) if asked.json else _table(rows))
    return 0 if all(one["met"] for one in rows) else 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CASES} cases")
    parser.add_argument("--cases", type=int, help=f"so many; without it, {CASES:,}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--case", type=int, help="run this one alone and keep its files")
    parser.add_argument(
        "--patience", type=float, default=MOST_S,
        help="seconds until a case counts as hanging; more on a machine that does other work",
    )  # fmt: skip
    asked = parser.parse_args()
    asked.cases = asked.cases or (QUICK_CASES if asked.quick else CASES)
    return asked


def _seeds() -> Seeds:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder  # nothing here is measured, so it waits for nobody
        command = [sys.executable, str(ROOT / "scripts/fuzz_seeds.py"), folder]
        subprocess.run(command, check=True, cwd=ROOT, env=_environment(), stdout=sys.stderr)
        return Seeds.read(Path(folder))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _version() -> str:
    """The code that is tested, as one name."""
    digest = sha256()
    for folder in ("pipeline", "targets", "scripts"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _one(seeds: Seeds, asked: argparse.Namespace) -> int:
    case = seeds.case(asked.seed, asked.case)
    folder = asked.out / f"case-{asked.seed}-{asked.case}"
    folder.mkdir(parents=True, exist_ok=True)
    case.write(folder)
    outcome = in_own_folder(case.write, case.door, asked.patience)
    say(f"{case.door} {folder / case.name}")
    print(json.dumps(outcome.fact(), indent=2))
    return 3 if outcome.faults else 0


def _rows(facts: Facts) -> list[Row]:
    rows = []
    for door in ("check", "verify"):
        found = [one for one in facts if one["door"] == door]
        faulty = [one for one in found if one["faults"]]
        codes = Counter(str(one["code"]) for one in found)
        rows += [
            row(f"{door}: cases with a fault, of {len(found)}", "0", len(faulty), not faulty),
            _most(f"{door}: longest, CPU s", found, "cpu_s", MOST_S),
            _most(f"{door}: most memory, GB", found, "peak_bytes", MEMORY_BYTES, 1e9),
            told(f"{door}: longest, s", max(one["wall_s"] for one in found)),
            told(f"{door}: exit codes", dict(sorted(codes.items()))),
        ]
        rows += [told(f"{door}: fault", one) for one in faulty]
    return rows


def _most(name: str, facts: Facts, key: str, most: float, unit: float = 1.0) -> Row:
    worst = max(float(str(one[key])) for one in facts)
    return row(name, f"<= {most / unit:g}", round(worst / unit, 3), worst <= most)


def _table(rows: list[Row]) -> str:
    lines = ["| what | target | observed | met |", "|---|---|---|---|"]
    for one in rows:
        met = "yes" if one["met"] else "NO"
        lines.append(f"| {one['name']} | {one['target'] or ''} | {one['observed']} | {met} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
