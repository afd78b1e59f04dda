"""Every fault of a task is told with the user's own line, and no traceback."""

from pathlib import Path

import pytest

from pipeline.task import SPLITS, load
from targets.errors import TaskError

GOOD = (Path(__file__).parent / "samples" / "task.py").read_text()


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def written(folder, text=GOOD, **others):
    (folder / "task.py").write_text(text)
    for name, content in others.items():
        (folder / f"{name}.py").write_text(content)
    return folder


def loaded(folder, text=GOOD, params=None, **others):
    return load(written(folder, text, **others), "task.py", params or {}, SPLITS)


def refusal(folder, text, params=None, **others):
    with pytest.raises(TaskError) as caught:
        loaded(folder, text, params, **others)
    return str(caught.value).replace(f"{folder}/", "")


FAULTS = {
    "syntax": (
        ("def build():", "def build("),
        "task.py:7: importing the task failed: SyntaxError: '(' was never closed\n    def build(",
    ),
    "import": (
        ("import torch\n", "import torch\nimport numpyy\n"),
        "task.py:2: importing the task failed: ModuleNotFoundError: No module named 'numpyy'; "
        "put numpyy.py beside the task, or install 'numpyy'",
    ),
    "failing import": (
        ("metrics =", "1 / 0\nmetrics ="),
        "task.py:4: importing the task failed: ZeroDivisionError: division by zero\n    1 / 0",
    ),
    "ending the process": (
        ("metrics =", "import sys; sys.exit(3)\nmetrics ="),
        "task.py:4: importing the task failed: it ended the process (exit status 3)",
    ),
    "lacking a function": (
        ("def build()", "def biuld()"),
        "task.py: lacks build(); did you mean 'biuld'?; a task defines build(), example_inputs(), "
        "batches() and metrics",
    ),
    "no function": (("def loss", "loss = 3\ndef los"), "task.py: loss: found int; allowed: a fun"),
    "lacking metrics": (("metrics =", "metric ="), "task.py: lacks metrics; for example: metrics"),
    "unknown metric": (
        ('["accuracy"]', '["acuracy"]'),
        "task.py: metrics: found 'acuracy'; did you mean 'accuracy'? allowed: accuracy, or a fact",
    ),
    "no metric": (('["accuracy"]', "[]"), "task.py: metrics: found []; allowed: a list of names"),
    "metric twice": (
        ('["accuracy"]', '["accuracy", "accuracy"]'),
        "task.py: metrics: found 'accuracy' twice; allowed: each name once",
    ),
    "number for a metric": (('["accuracy"]', "[3]"), "task.py: metrics: found 3; allowed: a name"),
    "metric without methods": (
        ('["accuracy"]', "[dict]"),
        "task.py: metric 'dict' lacks compute, higher_is_better; allowed: an object with update",
    ),
    "raising build": (
        ("    return nn.Sequential", "    raise ValueError('boom')\n    return nn.Sequential"),
        "task.py:8: in build: build() failed: ValueError: boom\n    raise ValueError('boom')",
    ),
    "missing weights file": (
        ("    return nn.Sequential", "    open('no/weights.pt')\n    return nn.Sequential"),
        "task.py:8: in build: build() failed: FileNotFoundError: [Errno 2] No such file or dir",
    ),
    "build without return": (
        ("    return nn.Sequential", "    nn.Sequential"),
        "task.py: build(): found nothing (None); allowed: a torch.nn.Module",
    ),
    "NaN in weights": (
        ("nn.Linear(4, 3))", "nn.Linear(4, 3))._apply(lambda t: t / 0 * 0)"),
        "task.py: build(): the weights hold NaN or infinity: 1.weight (12 of 12 values); load or",
    ),
    "infinity in a buffer": (
        (
            "nn.Linear(4, 3))",
            "nn.BatchNorm1d(4), nn.Linear(4, 3))\n\n\n_b = build\n\n\n"
            "def build():\n    m = _b()\n    m[1].running_var[2] = float('inf')\n    return m",
        ),
        "task.py: build(): the weights hold NaN or infinity: 1.running_var (1 of 4 values)",
    ),
    "forward that fails": (
        ("nn.Linear(4, 3)", "nn.Linear(5, 3)"),
        "task.py: the model's forward failed: RuntimeError: mat1 and mat2 shapes",
    ),
    "NaN in outputs": (
        ("nn.Linear(4, 3)", "nn.Linear(4, 3), nn.Softmax(1), nn.Threshold(2, float('nan'))"),
        "task.py: the model gives NaN for example_inputs() (output 0); its weights are finite",
    ),
    "bare tensor as example": (
        ("(torch.zeros(1, 4),)", "torch.zeros(1, 4)"),
        "task.py: example_inputs(): found a tensor by itself; allowed: a tuple of tensors, each a",
    ),
    "example of nothing": (
        ("return (torch.zeros(1, 4),)", "pass"),
        "task.py: example_inputs(): found nothing (None); allowed: a tuple of tensors",
    ),
    "example of numbers": (
        ("(torch.zeros(1, 4),)", "(3,)"),
        "task.py: example_inputs(): input 0: found int; allowed: a tensor",
    ),
    "example of many": (
        ("torch.zeros(1, 4)", "torch.zeros(2, 4)"),
        "task.py: example_inputs(): input 0: found shape [2, 4]; allowed: a batch of 1, [1, ...]",
    ),
    "NaN in the example": (
        ("torch.zeros(1, 4)", "torch.full((1, 4), float('nan'))"),
        "task.py: example_inputs(): input 0 holds NaN or infinity",
    ),
    "empty split": (
        ("range(2)", "range(0 if split == 'validation' else 2)"),
        "task.py: batches('validation'): the split is empty; allowed: at least one batch",
    ),
    "split of nothing": (
        ("        yield", "        _ ="),
        "task.py: batches('train'): found nothing (None); allowed: an iterable of (inputs, target",
    ),
    "raising batches": (
        ('{"train": 5, ', "{"),
        "task.py:18: in batches: batches('train') failed: KeyError: 'train'\n    yield torch.ones",
    ),
    "batch without target": (
        (
            "yield torch.ones(sizes[split], 4), torch.zeros(sizes[split], dtype=torch.long)",
            "yield torch.ones(sizes[split], 4)",
        ),
        "task.py: batches('train'): batch 1: found Tensor; allowed: a pair (inputs, target)",
    ),
    "too many inputs": (
        ("yield torch.ones(sizes[split], 4),", "yield (torch.ones(2, 4), torch.ones(2, 4)),"),
        "task.py: batches('train'): batch 1: found 2 inputs; allowed: 1, as example_inputs() has",
    ),
    "another shape": (
        ("torch.ones(sizes[split], 4)", "torch.ones(sizes[split], 7)"),
        "task.py: batches('train'): batch 1: input 0: found shape [5, 7]; allowed: [N, 4], as exam",
    ),
    "another rank": (
        ("torch.ones(sizes[split], 4)", "torch.ones(4)"),
        "task.py: batches('train'): batch 1: input 0: found shape [4]; allowed: [N, 4], as example",
    ),
    "another type": (
        ("torch.ones(sizes[split], 4)", "torch.ones(sizes[split], 4).double()"),
        "task.py: batches('train'): batch 1: input 0: found torch.float64; allowed: torch.float32",
    ),
    "array for a tensor": (
        ("torch.ones(sizes[split], 4)", "torch.ones(sizes[split], 4).numpy()"),
        "task.py: batches('train'): batch 1: input 0: found ndarray; allowed: a tensor",
    ),
    "empty batch": (
        ("torch.ones(sizes[split], 4)", "torch.ones(0, 4)"),
        "task.py: batches('train'): batch 1: found inputs of 0 samples; allowed: the same number",
    ),
    "NaN in the data": (
        (
            "torch.ones(sizes[split], 4)",
            "torch.ones(sizes[split], 4).index_fill(0, torch.tensor([3]), float('nan'))",
        ),
        "task.py: batches('train'): batch 1: input 0: sample 3 holds NaN or infinity",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_the_users_line(folder, name):
    (good, bad), expected = FAULTS[name]
    assert good in GOOD
    message = refusal(folder, GOOD.replace(good, bad, 1))
    assert message.startswith(expected)
    assert "Traceback" not in message
    assert "pipeline/" not in message


def test_no_task_file(folder):
    with pytest.raises(TaskError, match=r"task\.py: no such file; a task defines build, example_i"):
        load(folder, "task.py", {})


def test_a_file_that_is_no_module(folder):
    (folder / "my-task.py").write_text(GOOD)
    with pytest.raises(TaskError, match=r"my-task\.py: can't be imported; allowed: a name such as"):
        load(folder, "my-task.py", {})


def test_a_fault_in_a_sibling_is_told_with_the_siblings_line(folder):
    text = GOOD.replace(
        "def build():\n    return", "def build():\n    import net\n    net.make()\n    return"
    )
    message = refusal(folder, text, net="def make():\n    return [][1]\n")
    assert message.startswith(
        "net.py:2: in make: build() failed: IndexError: list index out of ran"
    )


def test_weights_of_another_shape_are_told_by_layer(folder):
    text = GOOD.replace(
        "    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))",
        "    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))\n"
        "    net.load_state_dict({'1.weight': torch.zeros(3, 5), 'head.bias': torch.zeros(3)})\n"
        "    return net",
    )
    message = refusal(folder, text)
    assert message.startswith("task.py:9: in build: build() failed: the weights do not fit the mod")
    assert "1.weight has shape [3, 5], the model wants [3, 4]" in message
    assert "1.bias missing from the weights" in message
    assert "head.bias in the weights only" in message


def test_many_misfits_are_counted(folder):
    text = GOOD.replace(
        "    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))",
        "    net = nn.Sequential(*[nn.Linear(4, 4) for _ in range(9)])\n"
        "    net.load_state_dict({})",
    )
    assert "0.weight, 0.bias, 1.weight and 15 more missing from the weights" in refusal(
        folder, text
    )


CONFIGURE = GOOD + "\n\ndef configure(data, size=3):\n    assert size < 5\n"
PARAMS = {
    "unknown": (
        {"data": 1, "sise": 2},
        CONFIGURE,
        "task.py:25: configure() has no 'sise'; did you mean 'size'? allowed: data, size",
    ),
    "lacking": (
        {},
        CONFIGURE,
        "task.py:25: configure() wants 'data', which the recipe's params lack; add it there, or "
        "`--set params.data=VALUE`",
    ),
    "refused": (
        {"data": 1, "size": 7},
        CONFIGURE,
        "task.py:26: in configure: configure() failed: AssertionError: \n    assert size < 5",
    ),
    "none wanted": (
        {"data": 1},
        GOOD,
        "task.py: lacks configure(), and the recipe has params (data); define configure(data)",
    ),
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_that_do_not_fit_are_refused(folder, name):
    params, text, expected = PARAMS[name]
    assert refusal(folder, text, params).startswith(expected)
