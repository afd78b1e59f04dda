"""Every bad input ends with its exit code and one message that names the cause, never a traceback.

The rooms test each message in full; here it is the way from argv to the exit code.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app

TASK = """
import torch

def build():
    torch.manual_seed(0)
    return {module}

def example_inputs():
    return (torch.zeros(1, 1, 8, 8),)

def batches(split):
    {batches}

def loss(outputs, target):
    return torch.nn.functional.cross_entropy(outputs, target)

metrics = ["accuracy"]
"""
MODULE = (
    "torch.nn.Sequential(torch.nn.Conv2d(1, 16, 3), torch.nn.ReLU(), "
    "torch.nn.Flatten(), torch.nn.Linear(576, 10))"
)
BATCHES = "return [(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]))]"
RECIPE = """\
version: 1
task: task.py
budget:
  size_kb: 500
steps:
  - prune: {ratio: 0.5}
  - quantize: {scheme: int8}
"""


def invoke(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def recipe(tmp_path):
    """Writes a recipe folder, with what a test changes in it."""

    def write(text=RECIPE, module=MODULE, batches=BATCHES, task=None):
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        (folder / "recipe.yaml").write_text(text)
        code = TASK.format(module=module, batches=batches) if task is None else task
        (folder / "task.py").write_text(code)
        return folder

    return write


def refused(result, code, *parts):
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.output


CASES = {
    "unknown key": ("size_kb: 500", "sise_kb: 500", ["recipe.yaml:4", "sise_kb", "size_kb"]),
    "wrong type": ("{ratio: 0.5}", "{ratio: half}", ["recipe.yaml:6", "ratio", "half"]),
    "negative limit": ("500", "-1", ["recipe.yaml:4", "size_kb", "-1"]),
    "zero limit": ("500", "0", ["recipe.yaml:4", "size_kb", "0"]),
    "NaN limit": ("500", ".nan", ["recipe.yaml:4", "size_kb", "nan"]),
    "YAML": ("budget:", "budget: [", ["recipe.yaml:"]),
    "unknown device": ("task: task.py", "device: hots", ["recipe.yaml:2", "hots", "host"]),
    "unknown runtime": ("task: task.py", "runtimes: [tflit]", ["recipe.yaml:2", "tflite"]),
    "ratio": ("0.5", "1.5", ["recipe.yaml:6", "1.5"]),
    "order": (
        "  - prune: {ratio: 0.5}\n  - quantize: {scheme: int8}",
        "  - quantize: {scheme: int8}\n  - prune: {ratio: 0.5}",
        ["recipe.yaml:7", "quantize before prune", "float weights"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_recipe_names_file_line_and_key(recipe, tmp_path, case):
    found, changed, parts = CASES[case]
    folder = recipe(RECIPE.replace(found, changed))
    refused(invoke("run", folder, "--out", tmp_path / "out"), 2, *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"task": "import torch\nraise RuntimeError('no luck')"}, ["task.py:2", "no luck"]),
        ({"task": TASK.replace("def build", "def bild").format(module=MODULE, batches=BATCHES)},
         ["build", "bild"]),
        ({"batches": "return []"}, ["empty", "calibration"]),
        ({"batches": "raise KeyError('images')"}, ["task.py:12", "images"]),
        ({"module": "torch.load('nothing.pt')"}, ["task.py:6", "nothing.pt"]),
        ({"module": MODULE.replace("576", "575")}, ["task.py"]),
        ({"batches": BATCHES.replace("randn(4, 1", "randn(4, 3")}, ["batch 1", "3"]),
    ],
)  # fmt: skip
def test_a_broken_task_shows_the_users_own_line(recipe, tmp_path, changes, parts):
    refused(invoke("run", recipe(**changes), "--out", tmp_path / "out"), 2, *parts)


def test_weights_of_another_shape_are_told(recipe, tmp_path):
    module = f"_loaded({MODULE})"
    task = TASK.format(module=module, batches=BATCHES) + (
        "\ndef _loaded(net):\n"
        "    net.load_state_dict({**net.state_dict(), '0.weight': torch.zeros(8, 1, 3, 3)})\n"
        "    return net\n"
    )
    refused(
        invoke("run", recipe(task=task), "--out", tmp_path / "o"), 2, "0.weight", "[8, 1, 3, 3]"
    )


def test_a_nan_in_the_weights_is_named(recipe, tmp_path):
    task = TASK.format(module=f"_broken({MODULE})", batches=BATCHES) + (
        "\ndef _broken(net):\n    net[3].bias.data[2] = float('nan')\n    return net\n"
    )
    refused(invoke("run", recipe(task=task), "--out", tmp_path / "out"), 2, "3.bias", "nan")


def test_a_forward_that_depends_on_data_names_the_users_line(recipe, tmp_path):
    task = TASK.format(module="Net()", batches=BATCHES) + (
        "\nclass Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.head = torch.nn.Linear(64, 10)\n"
        "    def forward(self, x):\n"
        "        if x.sum() > 0:\n"
        "            x = x * 2\n"
        "        return self.head(x.flatten(1))\n"
    )
    refused(invoke("run", recipe(task=task), "--out", tmp_path / "out"), 2, "task.py:24")


def test_labels_out_of_range_are_told(recipe, tmp_path):
    folder = recipe(batches=BATCHES.replace("2, 3]", "2, 30]"))
    refused(invoke("run", folder, "--out", tmp_path / "out"), 2, "30", "10")


def test_no_such_recipe_names_what_there_is():
    refused(invoke("run", "recipes/digit"), 2, "recipes/digits")


def test_a_run_folder_of_another_recipe_is_left_alone(recipe, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text(json.dumps({"schema_version": 1, "recipe": "other"}))
    refused(invoke("run", recipe(), "--out", out), 2, "other", "--out")


def test_an_output_folder_that_is_a_file_is_refused(recipe, tmp_path):
    (tmp_path / "out").write_text("mine")
    refused(invoke("run", recipe(), "--out", tmp_path / "out"), 2, "not a folder")
    assert (tmp_path / "out").read_text() == "mine"


def test_check_without_a_limit_is_a_usage_error(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    refused(invoke("check", tmp_path / "model.onnx"), 2, "--limit", "--budget")


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite"])
def test_check_of_a_file_that_is_no_model(tmp_path, name):
    (tmp_path / name).write_bytes(b"not a model at all")
    result = invoke("check", tmp_path / name, "--limit", "latency_ms.p95=8")
    refused(result, 2, name)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--processes", "3"), "at least 5"),
        (("--processes", "5", "--confidence", "0.99"), "at least 8"),
        (("--samples", "0"), "at least 1"),
        (("--confidence", "1"), "from 0.5 to 0.9999"),
        (("--sustained", "5", "--limit", "latency_ms.p95=50% of dense"), "absolute limits"),
    ],
)
def test_too_little_to_decide_by_is_a_usage_error(
    tmp_path: Path, asked: tuple[str, ...], told: str
) -> None:
    model = tmp_path / "model.onnx"
    refused(invoke("check", model, "--limit", "size_kb=8", *asked), 2, told)


def test_check_of_an_unknown_suffix_names_the_known_ones(tmp_path):
    refused(invoke("check", tmp_path / "model.pt", "--limit", "size_kb=8"), 2, ".onnx", ".tflite")


@pytest.mark.parametrize("limit", ["latency_ms.p96=8", "latency_ms.p95", "size_kb=-1", "size_kb=x"])
def test_a_bad_limit_is_a_usage_error(tmp_path, limit):
    refused(invoke("check", tmp_path / "model.onnx", "--limit", limit), 2, limit.split("=")[0])


def test_json_errors_are_one_document(recipe, tmp_path):
    result = CliRunner().invoke(app, ["run", "nowhere", "--json"])
    document = json.loads(result.stdout)
    assert document["error"]["exit_code"] == result.exit_code == 2
    assert "nowhere" in document["error"]["message"]


def test_a_sweep_that_can_not_be_read_is_told_with_its_grammar(recipe, tmp_path):
    budgeted = recipe(RECIPE.replace("ratio: 0.5", "to: budget"))
    out = tmp_path / "out"
    refused(invoke("run", budgeted, "--out", out, "--sweep", "size_kb=20"), 2, "FROM..TO:COUNT")
    assert not out.exists()
    shown = invoke("run", budgeted, "--out", out, "--sweep", "size_kb=20..40:3", "--dry-run")
    assert shown.exit_code == 0, shown.output
    for point in ("size_kb=40", "size_kb=30", "size_kb=20"):
        assert point in shown.output


def test_a_sweep_needs_a_recipe_that_prunes_to_its_budget(recipe, tmp_path):
    asked = ("--out", tmp_path / "out", "--sweep", "size_kb=20..40:3")
    refused(invoke("run", recipe(), *asked), 2, "to: budget")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_the_steps_and_writes_nothing(recipe, tmp_path):
    result = invoke("run", recipe(), "--out", tmp_path / "out", "--dry-run", "--json")
    assert result.exit_code == 0
    assert "prune" in json.loads(result.stdout)["steps"]
    assert not (tmp_path / "out").exists()


def test_what_the_task_prints_does_not_mix_with_the_document(recipe, tmp_path):
    task = TASK.format(module=MODULE, batches=BATCHES) + "\nprint('hello from the task')\n"
    result = invoke("run", recipe(task=task), "--out", tmp_path / "out", "--dry-run", "--json")
    assert json.loads(result.stdout)["steps"]
    assert "hello from the task" in result.stderr


def test_an_internal_error_leaves_its_trace_in_a_file(monkeypatch):
    from targets import device

    def broken():
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(device, "names", broken)
    result = CliRunner().invoke(app, ["devices", "list", "--json"])
    document = json.loads(result.stdout)["error"]
    assert result.exit_code == 1
    assert "surprise" in document["message"]
    assert "ZeroDivisionError" in Path(document["log"]).read_text()
    Path(document["log"]).unlink()


def test_schema_and_devices_are_json():
    assert "properties" in json.loads(invoke("schema").stdout)
    assert any(one["name"] == "host" for one in json.loads(invoke("devices", "--json").stdout))
    assert json.loads(invoke("devices", "show", "host", "--json").stdout)["name"] == "host"
    refused(invoke("devices", "show", "hots"), 2, "host")


def test_packages_of_what_is_no_run_are_refused(tmp_path):
    refused(invoke("package", tmp_path, "--for", "androd"), 2, "--for", "android, ios, linux, mcu")
    refused(invoke("package", tmp_path, "--for", "linux"), 2, "report.json: no report")
