"""A budget in a file of its own: what is read, and what is told where it can't be."""

from pathlib import Path

import pytest

from pipeline.budget_file import read_budget
from targets.errors import RecipeError

DEEP = "size_kb: " + "[" * 100_000
BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        ("budget:\n  latency_ms: {p95: 4}\n", {"latency_ms.p95": 4.0}),
        ("latency_ms: {p95: 4}\n", {"latency_ms.p95": 4.0}),
        ("version: 1\nsize_kb: 3\n", {"size_kb": 3.0}),
        ('{"schema_version": 1, "budget": {"size_kb": 3}}', {"size_kb": 3.0}),
    ],
)
def test_a_budget_file(tmp_path: Path, content: str, limits: dict[str, float]) -> None:
    file = tmp_path / "budget.yaml"
    file.write_text(content)
    assert read_budget(file).limits() == limits


def test_a_relative_limit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "budget.json"
    file.write_text('{"size_kb": 3, "energy_mj": "50% of dense"}')
    assert list(read_budget(file).limits()) == ["size_kb", "energy_mj"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("size_kb: 3\nlatency_ms:\n  p95: 0\n", r"budget.yaml:3: latency_ms.p95: found 0;"),
        ("size_kb: 3\nbudget:\n  size_kb: 4\n", r"budget.yaml:1: size_kb: "),
        ("size_kb: 3\nlatency: 3\n", r"budget.yaml:2: latency: .*latency_ms"),
        ("metric: {name: a, max_drop: 5% of dense}", "already relative"),
        ("size_kb: 3\nversion: 2\n", r"budget.yaml:2: version: found '2'; .* of version 1"),
        ("schema_version: '1'\nsize_kb: 3\n", r"budget.yaml:1: schema_version: found '1'"),
        ("version: true\nsize_kb: 3\n", "found 'True'"),
        ("size_kb: 3\nsize_kb: 4\n", r"budget.yaml:2: size_kb: found twice"),
        ("size_kb: .nan", "found nan"),
        ("size_kb: [1, 2]", "size_kb"),
        ("latency_ms: [1", "not YAML"),
        (DEEP, "nested too deeply"),
        (BOMB, "aliases unfold"),
        ("a: &a [*a]", "aliases unfold"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
        ("", "no mapping"),
        ("3", "no mapping"),
        ("x" * 1_000_001, "larger than"),
    ],
)
def test_a_wrong_budget_file_is_told(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "budget.yaml"
    file.write_text(content)
    with pytest.raises(RecipeError, match=told):
        read_budget(file)


def test_what_is_no_text_or_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "budget.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8"):
        read_budget(tmp_path / "budget.yaml")
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(RecipeError, match="can't be read"):
            read_budget(path)
