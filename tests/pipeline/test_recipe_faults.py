"""Every fault of a recipe gives one message with file, line, key, found and allowed."""

from pathlib import Path

import pytest

from pipeline.recipe import read
from targets.errors import RecipeError

GOOD = (Path(__file__).parent / "samples" / "recipe.yaml").read_text()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "task.py").write_text("")
    return tmp_path


def write(folder, text):
    (folder / "recipe.yaml").write_text(text)
    return folder


def refusal(folder, text, *overrides):
    with pytest.raises(RecipeError) as caught:
        read(write(folder, text), overrides)
    return str(caught.value).replace(f"{folder}/", "")


FAULTS = {
    "unknown key": (
        ("runtimes:", "runtime:"),
        "recipe.yaml:5: runtime: unknown key; did you mean 'runtimes'? allowed: budget, device",
    ),
    "unknown key deep inside": (
        ("epochs: 4", "epoch: 4"),
        "recipe.yaml:12: steps.1.recover.epoch: unknown key; did you mean 'epochs'? allowed: dist",
    ),
    "unknown limit": (
        ("p95: 40", "p96: 40"),
        "recipe.yaml:7: budget.latency_ms.p96: unknown key; did you mean 'p99'? allowed: p50, p90",
    ),
    "unknown step": (
        ("- prune:", "- prun:"),
        "recipe.yaml:11: steps.0.prun: unknown key; did you mean 'prune'? allowed: prune, quant",
    ),
    "wrong type": (
        ("epochs: 4", "epochs: '4'"),
        "recipe.yaml:12: steps.1.recover.epochs: found '4'; allowed: a whole number (Passes over",
    ),
    "truth for a number": (
        ("epochs: 4", "epochs: true"),
        "recipe.yaml:12: steps.1.recover.epochs: found true; allowed: a whole number",
    ),
    "text for a list": (
        ("[tflite, onnxruntime]", "tflite"),
        "recipe.yaml:5: runtimes: found 'tflite'; allowed: a list",
    ),
    "list for a mapping": (
        ("{scheme: int8, mode: ptq}", "[]"),
        "recipe.yaml:13: steps.2.quantize: found a list of 0; allowed: a mapping of keys to values",
    ),
    "key that is no text": (
        ("{data: null}", "{1: null}"),
        "recipe.yaml:3: params.1: found the key 1; allowed: a key that is text",
    ),
    "negative limit": (
        ("size_kb: 60", "size_kb: -60"),
        "recipe.yaml:8: budget.size_kb: found -60; allowed: a number above 0 or 'NN% of dense'",
    ),
    "zero limit": (
        ("size_kb: 60", "size_kb: 0"),
        "recipe.yaml:8: budget.size_kb: found 0; allowed: a number above 0",
    ),
    "NaN limit": (
        ("size_kb: 60", "size_kb: .nan"),
        "recipe.yaml:8: budget.size_kb: found nan; allowed: a number above 0",
    ),
    "infinite limit": (
        ("size_kb: 60", "size_kb: .inf"),
        "recipe.yaml:8: budget.size_kb: found inf; allowed: a number above 0",
    ),
    "negative relative limit": (
        ("40% of dense", "-40% of dense"),
        "recipe.yaml:7: budget.latency_ms.p95: found '-40% of dense'; allowed: a number above 0",
    ),
    "no limit": (
        (GOOD[GOOD.index("\n  latency") : GOOD.index("\nsteps")], " {}"),
        "recipe.yaml:6: budget: found no limit; allowed: at least one",
    ),
    "unknown runtime": (
        ("[tflite,", "[tflight,"),
        "recipe.yaml:5: runtimes.0: found 'tflight'; did you mean 'tflite'? allowed: onnxruntime,",
    ),
    "runtime twice": (
        ("[tflite,", "[onnxruntime,"),
        "recipe.yaml:5: runtimes.1: found 'onnxruntime' twice; allowed: each runtime once",
    ),
    "unknown device": (
        ("device: host", "device: hsot"),
        "recipe.yaml:4: device: found 'hsot'; did you mean 'host'? allowed: android-arm64, ",
    ),
    "unknown importance": (
        ("to: budget", "to: budget, importance: magnitud"),
        "recipe.yaml:11: steps.0.prune.importance: found 'magnitud'; did you mean 'magnitude'? all",
    ),
    "unknown mode": (
        ("mode: ptq", "mode: ptk"),
        "recipe.yaml:13: steps.2.quantize.mode: found 'ptk'; did you mean 'ptq'? allowed: ladder",
    ),
    "missing key": (
        ("name: accuracy, ", ""),
        "recipe.yaml:9: budget.metric.name: missing; allowed: ",
    ),
    "unknown version": (
        ("version: 1", "version: 2"),
        "recipe.yaml:1: version: found 2; allowed: 1",
    ),
    "two modes": (
        ("to: budget", "to: budget, ratio: 0.5"),
        "recipe.yaml:11: steps.0.prune: found to and ratio; allowed: exactly one of to, ratio",
    ),
    "no mode": (
        ("{to: budget}", ""),
        "recipe.yaml:11: steps.0.prune: found no mode; allowed: exactly one of to, ratio, macs",
    ),
    "two steps in one": (
        ("- prune: {to: budget}\n  - recover", "- prune: {to: budget}\n    recover"),
        "recipe.yaml:11: steps.0: found prune and recover; allowed: exactly one of prune, recover",
    ),
    "ratio out of range": (
        ("to: budget", "ratio: 1.5"),
        "recipe.yaml:11: steps.0.prune.ratio: found 1.5; allowed: less than 1 (The share of each",
    ),
    "a strategy beside a budget": (
        ("to: budget", "to: budget, strategy: global"),
        "recipe.yaml:11: steps.0.prune: found strategy: global; allowed: without it with 'to: budg",
    ),
    "rounds beside a budget": (
        ("to: budget", "to: budget, schedule: {steps: 2}"),
        "recipe.yaml:11: steps.0.prune: found schedule; allowed: without it with 'to: budget'",
    ),
    "two bounds in the wrong order": (
        ("to: budget", "ratio: 0.5, bounds: {stem: [16, 8]}"),
        "recipe.yaml:11: steps.0.prune.bounds.stem: found [16, 8]; allowed: [least, most]",
    ),
    "a bound too few": (
        ("to: budget", "ratio: 0.5, bounds: {stem: [8]}"),
        "recipe.yaml:11: steps.0.prune.bounds.stem: found [8]; allowed: [least, most]",
    ),
    "names to keep that are no list": (
        ("to: budget", "ratio: 0.5, keep: stem"),
        "recipe.yaml:11: steps.0.prune.keep: found 'stem'; allowed: a list (Names of groups",
    ),
    "no rounds": (
        ("to: budget", "ratio: 0.5, schedule: {steps: 0}"),
        "recipe.yaml:11: steps.0.prune.schedule.steps: found 0; allowed: greater than or equal",
    ),
    "a share of bytes": (
        ("to: budget", "size_bytes: 0.5"),
        "recipe.yaml:11: steps.0.prune.size_bytes: found 0.5; allowed: a whole number (The most",
    ),
    "unknown strategy": (
        ("to: budget", "ratio: 0.5, strategy: globl"),
        "recipe.yaml:11: steps.0.prune.strategy: found 'globl'; did you mean 'global'? allowed:",
    ),
    "unknown repair": (
        ("to: budget", "ratio: 0.5, repair: least"),
        "recipe.yaml:11: steps.0.prune.repair: found 'least'; did you mean 'least-squares'? all",
    ),
    "a mode of other granularity": (
        ("to: budget", "params: 0.5, granularity: block"),
        "recipe.yaml:11: steps.0.prune: found params; allowed: exactly one of to, ratio, macs",
    ),
    "a pattern of channels": (
        ("to: budget", 'pattern: "2:4"'),
        "recipe.yaml:11: steps.0.prune: found pattern; allowed: exactly one of to, ratio, macs,",
    ),
    "a setting that would do nothing": (
        ("to: budget", "ratio: 0.5, granularity: block, importance: taylor"),
        "recipe.yaml:11: steps.0.prune: found importance; allowed: without it where granularity is",
    ),
    "a repair that would fill zeros": (
        ("to: budget", "ratio: 0.5, granularity: weight, repair: least-squares"),
        "recipe.yaml:11: steps.0.prune: found repair: least-squares; allowed: without it where",
    ),
    "task above the folder": (
        ("task: task.py", "task: ../task.py"),
        "recipe.yaml:2: task: found '../task.py'; allowed: a file inside the recipe's folder",
    ),
    "absolute task": (
        ("task: task.py", "task: /etc/hostname"),
        "recipe.yaml:2: task: found '/etc/hostname'; allowed: a file inside the recipe's folder",
    ),
    "task that can't be a name": (
        ("task: task.py", 'task: "a\\0b"'),
        "recipe.yaml:2: task: found 'a\\x00b'; allowed: a file inside the recipe's folder",
    ),
    "missing task": (
        ("task: task.py", "task: tsk.py"),
        "recipe.yaml:2: task: no such file 'tsk.py'; did you mean 'task.py'? allowed: task.py",
    ),
    "step twice": (
        ("  - quantize", "  - recover: {}\n  - quantize"),
        "recipe.yaml:13: steps.2: found recover twice; allowed: each step once",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_line_key_found_and_allowed(folder, name):
    (good, bad), expected = FAULTS[name]
    assert good in GOOD
    message = refusal(folder, GOOD.replace(good, bad, 1))
    assert message.startswith(expected)
    assert "\n" not in message


def test_quantize_before_prune_is_refused_and_the_reason_told(folder):
    text = GOOD.replace("  - prune: {to: budget}\n", "") + "  - prune: {ratio: 0.5}\n"
    message = refusal(folder, text)
    assert message.startswith("recipe.yaml:13: steps.2: found quantize before prune; allowed: ")
    assert "pruning ranks" in message
    assert "float weights" in message


OVERRIDES = {
    "parms.data=1": "--set parms.data=1: parms: unknown key; did you mean 'params'? allowed: bud",
    "steps.0.prune.rato=0.5": (
        "--set steps.0.prune.rato=0.5: steps.0.prune.rato: unknown key; did you mean 'ratio'?"
    ),
    "device=hots": "--set device=hots: device: found 'hots'; did you mean 'host'? allowed: ",
    "budget.latency_ms.p95=-1": (
        "--set budget.latency_ms.p95=-1: budget.latency_ms.p95: found -1; allowed: a number above 0"
    ),
    "budget.latency_ms={p95: .nan}": (
        "--set budget.latency_ms={p95: .nan}: budget.latency_ms.p95: found nan; allowed: a number"
    ),
    "steps.0.prune.to=null": (
        "--set steps.0.prune.to=null: steps.0.prune: found no mode; allowed: exactly one of"
    ),
    "runtimes.0=onnx": (
        "--set runtimes.0=onnx: runtimes.0: found 'onnx'; did you mean 'onnxruntime'? allowed: "
    ),
}


@pytest.mark.parametrize("text", OVERRIDES)
def test_a_fault_of_an_override_is_told_as_the_overrides(folder, text):
    assert refusal(folder, GOOD, text).startswith(OVERRIDES[text])


def test_a_refused_step_does_not_count_as_missing_too(folder):
    text = "version: 1\nbudget: {size_kb: 60}\nsteps:\n  - prune: {ratio: 1.0}\n"
    message = refusal(folder, text)
    assert message.startswith("recipe.yaml:4: steps.0.prune.ratio: found 1.0; allowed: less than 1")
    assert "\n" not in message
    assert "recipe.yaml:3: steps: found a list of 0" in refusal(
        folder, text.replace("\n  - prune: {ratio: 1.0}", " []")
    )
