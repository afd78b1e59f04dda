"""The composite action: what it hands to `edgesmith check`, and what it tells GitHub.

`edgesmith` is a stand-in that writes down its arguments: what it does itself is tested elsewhere.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ACTION = ROOT / "scripts" / "action"
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
STAND_IN = """#!/usr/bin/env bash
printf '%s\\0' "$@" >"$TOLD"
while [ $# -gt 0 ]; do
    if [ "$1" = --markdown ]; then echo "## summary" >"$2"; fi
    shift
done
echo '{"found": true}'
exit "$STAND_IN_CODE"
"""
HOSTILE = "a\"; touch $(echo pwned) `id` '$HOME'.onnx"


@pytest.fixture
def gate(tmp_path):
    """Runs the action's script; returns its exit code, output and what edgesmith was told."""
    stand_in = tmp_path / "edgesmith"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)

    def run(code: int = 0, **inputs: str) -> tuple[int, str, list[str]]:
        given = {
            "PATH": os.environ["PATH"], "EDGESMITH": str(stand_in), "TOLD": str(tmp_path / "told"),
            "STAND_IN_CODE": str(code), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "GITHUB_OUTPUT": str(tmp_path / "output"), **inputs,
        }  # fmt: skip
        done = subprocess.run(
            [ACTION / "gate"], env=given, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        told = tmp_path / "told"
        found = told.read_text().split("\0")[:-1] if told.exists() else []
        return done.returncode, done.stdout, found

    return run


def test_every_input_becomes_an_option(gate, tmp_path) -> None:
    code, _, told = gate(
        MODEL="net.onnx", DEVICE="pi5", LIMITS="latency_ms.p95=8\r\n\n size_kb=90", BUDGET="b.yaml",
        BASELINE="runs/main", MAX_REGRESSION="latency_ms.p50=5%\n", DATA="task.py",
        SHAPES="x=1,8", JUNIT="j.xml", SARIF="s.sarif", JSON=str(tmp_path / "out.json"),
    )  # fmt: skip
    assert code == 0
    assert told[:2] == ["check", "--markdown"]
    assert told[3:] == [
        "--annotate", "--json", "--device", "pi5", "--budget", "b.yaml", "--baseline", "runs/main",
        "--data", "task.py", "--junit", "j.xml", "--sarif", "s.sarif", "--limit",
        "latency_ms.p95=8", "--limit", " size_kb=90", "--max-regression", "latency_ms.p50=5%",
        "--shape", "x=1,8", "--", "net.onnx",
    ]  # fmt: skip
    assert (tmp_path / "out.json").read_text() == '{"found": true}\n'


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, "met"), (3, "missed"), (4, "not decided"), (2, "failed with exit code 2")],
)
def test_the_exit_code_is_the_checks_and_is_told(gate, tmp_path, code, told) -> None:
    found, output, _ = gate(code, MODEL="net.onnx")
    assert found == code
    assert told in output
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert (tmp_path / "summary").read_text() == "## summary\n"


def test_what_the_workflow_says_is_never_code(gate, tmp_path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    code, _, told = gate(MODEL=HOSTILE, DEVICE=HOSTILE, LIMITS=HOSTILE)
    assert code == 0
    assert (told[-1], told.count(HOSTILE)) == (HOSTILE, 3)
    made = {"told", "output", "summary"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*before, *made})


def test_a_model_that_looks_like_an_option_is_none(gate) -> None:
    assert gate(MODEL="--help")[2][-2:] == ["--", "--help"]


def test_without_a_model_there_is_nothing_to_check(gate) -> None:
    code, output, told = gate()
    assert (code, told) == (2, [])
    assert "::error::" in output


def test_the_action_hands_every_input_to_its_script_and_none_to_a_shell() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    steps = action["runs"]["steps"]
    check = next(step for step in steps if "run" in step)
    for step in steps:
        assert "${{" not in step.get("run", "")
        assert "uses" not in step or PINNED.match(step["uses"])
    given = set(check["env"].values())
    assert given == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"] if name != "python"}
    script = (ACTION / "gate").read_text()
    assert all(f"${{{name}" in script for name in check["env"])
    assert check["shell"] == "bash"


def test_the_example_workflow_asks_for_what_the_action_has() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    steps = yaml.safe_load((ACTION / "workflow.yml").read_text())["jobs"]["check"]["steps"]
    ours = next(step for step in steps if step.get("uses", "").startswith("OWNER/"))
    assert set(ours["with"]) <= set(action["inputs"])
    assert all(PINNED.match(step["uses"]) for step in steps if step is not ours)


def test_the_pre_commit_example_checks_every_model_and_stops_at_the_first_that_fails(
    tmp_path,
) -> None:
    config = yaml.safe_load((ACTION / "pre-commit-config.yaml").read_text())
    (hook,) = config["repos"][0]["hooks"]
    assert re.search(hook["files"], "a/net.onnx")
    assert not re.search(hook["files"], "a/task.py")
    stand_in = tmp_path / "edgesmith"
    stand_in.write_text('#!/bin/sh\necho "$@" >>told\ncase "$*" in *bad*) exit 3 ;; esac\n')
    stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = f'{hook["entry"]} "a b.onnx" bad.onnx c.onnx'  # pre-commit appends the files
    done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 3
    told = (tmp_path / "told").read_text().splitlines()
    assert told == [f"check --budget budget.yaml {name}" for name in ("a b.onnx", "bad.onnx")]
