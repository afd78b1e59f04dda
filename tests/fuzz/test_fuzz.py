"""200 damaged models and packages, as scripts/bench-fuzz makes 2,000 of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
"""Until a case hangs, beside other work; that it computes for 10 s at most is judged anyway."""


@pytest.mark.slow
def test_200_damaged_files_end_with_a_message(tmp_path: Path):
    command = [
        *(sys.executable, str(ROOT / "scripts/bench_fuzz.py"), "--quick", "--json"),
        *("--seed", "1", "--patience", str(PATIENCE_S), "--out", str(tmp_path)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=1800, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr[-2000:]
    rows = json.loads(done.stdout)
    assert [one for one in rows if not one["met"] or one["name"].endswith("fault")] == []
    judged = [one["name"] for one in rows if one["target"]]
    assert len(judged) == 6
    (journal,) = tmp_path.glob("*.jsonl")
    assert len(journal.read_text().splitlines()) == 200
