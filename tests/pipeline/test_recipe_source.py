"""YAML with lines and overrides: what is no recipe's text, and what `--set` may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import recipe_source
from pipeline.recipe_source import override, parse
from targets.errors import RecipeError

TEXT = """\
version: 1
budget:
  latency_ms: {p95: 8}
steps:
  - prune: {to: budget}
  - quantize:
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "recipe.yaml"


def parsed(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse(file)


def refusal(file, content):
    with pytest.raises(RecipeError) as caught:
        parsed(file, content)
    return str(caught.value).replace(f"{file}", "recipe.yaml")


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcde", "bcdef", strict=True)
)
FAULTS = {
    "syntax": ("a: [1\nb: 2", "recipe.yaml:2:2: not YAML: while parsing a flow sequence"),
    "colon": ("a: b: c", "recipe.yaml:1:5: not YAML: mapping values are not allowed here"),
    "quote": ("a: 'b", "recipe.yaml:1:6: not YAML: while scanning a quoted scalar"),
    "tab": ("a:\n\t- b", "recipe.yaml:2:1: not YAML: while scanning for the next token"),
    "object": ("a: !!python/object:os.x {}", "recipe.yaml:1:4: not YAML: could not determine a c"),
    "undefined alias": ("a: *b", "recipe.yaml:1:4: not YAML: found undefined alias"),
    "control character": ("a\0b", "recipe.yaml: not YAML: unacceptable character"),
    "not UTF-8": (b"a: \xff", "recipe.yaml: not UTF-8 text, at byte 3"),
    "empty": ("", "recipe.yaml:1: found no mapping"),
    "list": ("- a", "recipe.yaml:1: found no mapping"),
    "two documents": ("a: 1\n---\nb: 2", "recipe.yaml:2:1: not YAML: expected a single document"),
    "key twice": ("a: 1\nb: {c: 1,\n  c: 2}", "recipe.yaml:3: c: found twice, first in line 2; al"),
    "key that is a list": ("? [a]\n: 1", "recipe.yaml:1: a key is sequence; allowed: a name"),
    "alias bomb": (BOMB, "recipe.yaml:"),
    "alias of itself": ("a: &a [*a]", "recipe.yaml:1: aliases unfold to more than 10,000 values"),
    "depth": ("a: " + "[" * 100_000, "recipe.yaml: nested too deeply"),
    "size": ("#" * (recipe_source.MAX_BYTES + 1), "recipe.yaml: larger than 1,000,000 bytes"),
    "date": ("a: 2020-13-45", "recipe.yaml: a value that is not valid YAML: month must be"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_recipe_text_is_refused_with_its_place(file, name):
    content, expected = FAULTS[name]
    assert refusal(file, content).startswith(expected)


def test_a_bomb_is_refused_for_what_it_unfolds_to(file):
    assert "aliases unfold to more than 10,000 values" in refusal(file, BOMB)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(RecipeError, match="can't be read: Is a directory"):
        parse(tmp_path)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+1e3", "-2.5e10", "1.e4", "0.1"])
def test_numbers_with_an_exponent_are_numbers(file, text):
    assert parsed(file, f"a: {text}").data == {"a": float(text)}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_as_it_is(tmp_path_factory, number):
    file = tmp_path_factory.mktemp("numbers") / "recipe.yaml"
    assert parsed(file, f"a: {number!r}").data == {"a": number}


def test_aliases_that_unfold_to_little_are_allowed(file):
    assert parsed(file, "a: &a {x: 1}\nb: *a").data == {"a": {"x": 1}, "b": {"x": 1}}


def test_every_part_has_its_line(file):
    source = parsed(file, TEXT)
    lines = {
        (): 1,
        ("version",): 1,
        ("budget", "latency_ms", "p95"): 3,
        ("budget", "missing"): 2,
        ("steps",): 4,
        ("steps", 0): 5,
        ("steps", 1, "quantize"): 6,
    }
    for location, line in lines.items():
        assert source.where(location) == f"{file}:{line}"


def test_overrides_replace_add_and_leave_the_rest(file):
    source = parsed(file, TEXT)
    changed = override(
        source, ["budget.latency_ms.p95=9.5", "budget.size_kb=60% of dense", "params.a.b=[1, x]"]
    )
    assert changed.data == {
        "version": 1,
        "budget": {"latency_ms": {"p95": 9.5}, "size_kb": "60% of dense"},
        "steps": [{"prune": {"to": "budget"}}, {"quantize": None}],
        "params": {"a": {"b": [1, "x"]}},
    }
    assert source.data == parse(file).data


def test_the_last_override_wins_and_is_the_one_that_is_told(file):
    changed = override(parsed(file, TEXT), ["version=2", "version=3"])
    assert changed.data["version"] == 3
    assert changed.where(("version",)) == "--set version=3"
    assert changed.where(("budget",)) == f"{file}:2"


@pytest.mark.parametrize(("mode", "value"), [("ratio", 0.5), ("macs", 0.25), ("to", "budget")])
def test_setting_one_mode_of_a_step_replaces_the_other(file, mode, value):
    changed = override(parsed(file, TEXT), [f"steps.0.prune.{mode}={value}"])
    assert changed.data["steps"][0] == {"prune": {mode: value}}


def test_an_override_changes_one_alias_only(file):
    changed = override(parsed(file, "a: &a {x: 1}\nb: *a"), ["b.x=2"])
    assert changed.data == {"a": {"x": 1}, "b": {"x": 2}}


OVERRIDES = {
    "x": "--set x: allowed: KEY=VALUE",
    "=1": "--set =1: allowed: KEY=VALUE",
    "a..b=1": "--set a..b=1: allowed: KEY=VALUE",
    "version.x=1": "--set version.x=1: version is a value (1), so it has no keys",
    "a=[": "--set a=[: the value is not YAML: ",
    "a=*b": "--set a=*b: the value is not YAML: found undefined alias",
    "a=&a [*a]": "--set a:1: aliases unfold to more than",
    "steps.prune.ratio=0.5": (
        "--set steps.prune.ratio=0.5: steps is a list and 'prune' is none of its indices; "
        "did you mean 'steps.0.prune'? allowed: steps.0.prune, steps.1.quantize"
    ),
    "steps.7.prune.ratio=0.5": (
        "--set steps.7.prune.ratio=0.5: steps is a list and '7' is none of its indices; "
        "did you mean 'steps.0.prune'? allowed: steps.0.prune, steps.1.quantize"
    ),
}


@pytest.mark.parametrize("text", OVERRIDES)
def test_an_override_that_names_nothing_is_refused(file, text):
    with pytest.raises(RecipeError) as caught:
        override(parsed(file, TEXT), [text])
    assert str(caught.value).startswith(OVERRIDES[text])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("bytes") / "recipe.yaml"
    try:
        assert isinstance(parsed(file, content).data, dict)
    except RecipeError as error:
        assert str(error).startswith(str(file))


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_override_is_laid_over_or_refused(tmp_path_factory, key, value):
    file = tmp_path_factory.mktemp("overrides") / "recipe.yaml"
    source = parsed(file, TEXT)
    try:
        override(source, [f"{key}={value}"])
    except RecipeError as error:
        assert str(error).startswith("--set ")
