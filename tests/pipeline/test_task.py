"""Tasks: what is loaded, how it is known again, and what a recipe asks of it."""

import re
from pathlib import Path

import pytest
import torch

from pipeline.recipe import read
from pipeline.task import SPLITS, Task, load, load_for
from targets.errors import RecipeError, TaskError

GOOD = (Path(__file__).parent / "samples" / "task.py").read_text()

RECIPE = """\
version: 1
budget: {size_kb: 60, metric: {name: accuracy, max_drop: 0.01}}
steps:
  - prune: {ratio: 0.5}
  - recover: {}
"""


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


def test_a_good_task_is_loaded(folder):
    task = loaded(folder)
    assert isinstance(task.build(), torch.nn.Sequential)
    assert not task.build().training
    assert [tuple(x.shape) for x in task.example_inputs()] == [(1, 4)]
    assert [len(target) for _, target in task.batches("train")] == [5, 5]
    assert [metric.name for metric in task.metrics()] == ["accuracy"]
    assert task.metrics()[0] is not task.metrics()[0]
    assert task.loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)).item() > 0
    assert task.files == (folder / "task.py",)


def test_a_loss_is_optional(folder):
    assert loaded(folder, GOOD[: GOOD.index("def loss")]).loss is None


def test_random_weights_are_the_same_every_time(folder):
    task = loaded(folder)
    weights = [next(task.build().parameters()).tolist() for _ in range(3)]
    assert weights[0] == weights[1] == weights[2]


def test_loading_leaves_the_random_numbers_alone(folder):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    loaded(folder)
    assert torch.rand(1) == expected


def test_params_go_to_configure_first_and_once(folder):
    text = (
        GOOD + "\n\nCALLS = []\n\n\ndef configure(data, size=3):\n    CALLS.append((data, size))\n"
    )
    task = loaded(folder, text, {"data": "here"})
    assert task.params == {"data": "here"}
    assert task._module.CALLS == [("here", 3)]


CONFIGURE = GOOD + "\n\ndef configure(data, size=3):\n    assert size < 5\n"


def test_inputs_may_be_several(folder):
    text = (
        GOOD.replace("(torch.zeros(1, 4),)", "(torch.zeros(1, 4), torch.zeros(1, 2))")
        .replace(
            "yield torch.ones(sizes[split], 4),", "yield [torch.ones(2, 4), torch.ones(2, 2)],"
        )
        .replace("nn.Sequential(nn.Flatten(), nn.Linear(4, 3))", "nn.Bilinear(4, 2, 3)")
    )
    inputs, _ = next(loaded(folder, text).batches("train"))
    assert [tuple(x.shape) for x in inputs] == [(2, 4), (2, 2)]


def test_a_later_batch_is_checked_too(folder):
    text = GOOD.replace("for _ in range(2):", "for i in range(2):").replace(
        "torch.ones(sizes[split], 4)", "torch.ones(sizes[split], 4) / (1 - i)"
    )
    with pytest.raises(
        TaskError, match=r"batches\('train'\): batch 2: input 0: sample 0 holds NaN"
    ):
        list(loaded(folder, text).batches("train"))


def test_a_raising_loss_is_told_with_its_line(folder):
    text = GOOD.replace("    return nn.functional", "    target.nothing\n    return nn.functional")
    with pytest.raises(TaskError, match=r"task\.py:22: in loss: loss\(\) failed: AttributeError"):
        loaded(folder, text).loss(torch.zeros(1, 3), torch.zeros(1))


def test_a_loss_is_one_number(folder):
    text = GOOD.replace(
        "cross_entropy(outputs, target)", "cross_entropy(outputs, target, reduction='none')"
    )
    loss = loaded(folder, text).loss
    with pytest.raises(
        TaskError, match=r"task\.py:21: loss\(\) gave shape \[2\]; allowed: a scalar"
    ):
        loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))


OWN = """

class Error:
    higher_is_better = False

    def __init__(self):
        self.wrong = []

    def update(self, outputs, target):
        self.wrong.append((outputs - target).abs().max())

    def compute(self):
        return max(self.wrong)


metrics = ["accuracy", Error]
"""


def test_a_metric_of_the_users_own(folder):
    _, error = loaded(folder, GOOD + OWN).metrics()
    error.update(torch.ones(2), torch.zeros(2))
    assert (error.name, error.higher_is_better, error.compute()) == ("Error", False, 1.0)
    assert error.per_class() is None
    with pytest.raises(
        TaskError, match=r"task\.py:32: in update: metric 'Error': update\(\) failed"
    ):
        error.update(torch.ones(2), "x")


def test_a_metric_that_computes_no_number(folder):
    task = loaded(folder, GOOD + OWN.replace("return max(self.wrong)", "return 'good'"))
    with pytest.raises(TaskError, match=r"metric 'Error': compute\(\) gave str; allowed: a numb"):
        task.metrics()[1].compute()


def test_the_identity_follows_files_weights_and_params(folder, tmp_path_factory):
    text = CONFIGURE.replace("import torch\n", "import torch\nimport net\n", 1)
    other = tmp_path_factory.mktemp("clone")

    def identity(where, net="", params=None, code=text):
        return loaded(where, code, params or {"data": 1}, net=net).identity()

    first = identity(folder)
    assert first["files"].keys() == {"task.py", "net.py"}
    assert identity(folder) == first
    assert identity(other) == first
    assert identity(other, net="x = 1") != first
    assert identity(other, params={"data": 2}) != first
    weights = text.replace("nn.Linear(4, 3)", "nn.Linear(4, 3, bias=False)")
    assert identity(other, code=weights)["weights"] != first["weights"]


def test_the_identity_follows_files_that_are_read(folder):
    text = GOOD.replace(
        "    sizes = ",
        "    from pathlib import Path\n"
        "    Path(__file__).with_name('data.txt').read_text()\n    sizes = ",
        1,
    )
    (folder / "data.txt").write_text("one")
    first = loaded(folder, text)
    assert first.files == (folder / "data.txt", folder / "task.py")
    (folder / "data.txt").write_text("two")
    assert loaded(folder, text).identity() != first.identity()


def test_a_recipes_task_is_held_to_what_the_recipe_asks(folder):
    written(folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    assert isinstance(load_for(read(folder)), Task)
    with pytest.raises(RecipeError) as caught:
        load_for(read(folder, ["budget.metric.name=acuracy"]))
    assert str(caught.value) == (
        "--set budget.metric.name=acuracy: budget.metric.name: found 'acuracy', which task.py does "
        "not measure; did you mean 'accuracy'? allowed: accuracy"
    )
    written(folder, GOOD[: GOOD.index("def loss")])
    with pytest.raises(
        RecipeError, match=re.escape("recipe.yaml:5: steps.1.recover: needs a loss")
    ):
        load_for(read(folder))


def test_a_teacher_alone_needs_no_loss(folder):
    written(folder, GOOD[: GOOD.index("def loss")])
    alone = "recover: {distill: {weight: 1.0}}"
    (folder / "recipe.yaml").write_text(RECIPE.replace("recover: {}", alone))
    assert load_for(read(folder)).loss is None


def test_taylor_needs_a_loss(folder):
    written(folder, GOOD[: GOOD.index("def loss")])
    text = RECIPE.replace("ratio: 0.5", "ratio: 0.5, importance: taylor")
    (folder / "recipe.yaml").write_text(text.replace("  - recover: {}\n", ""))
    told = "recipe.yaml:4: steps.0.prune.importance: 'taylor' needs a loss, and task.py has none"
    with pytest.raises(RecipeError, match=re.escape(told)):
        load_for(read(folder))


def test_the_training_split_is_needed_by_recover_only(folder):
    text = GOOD.replace('{"train": 5, ', "{")
    written(folder, text)
    (folder / "recipe.yaml").write_text(RECIPE)
    with pytest.raises(TaskError, match=r"batches\('train'\) failed"):
        load_for(read(folder))
    (folder / "recipe.yaml").write_text(RECIPE.replace("  - recover: {}\n", ""))
    assert load_for(read(folder))
