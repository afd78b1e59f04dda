"""A sweep's grammar and its values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recipe import Prune
from pipeline.sweep import SWEPT, Sweep, check, stated
from targets.errors import UsageError
from targets.limit import Relative


def test_values_go_from_the_loosest_to_the_tightest():
    found = Sweep.read("latency_ms.p95=0.2..1.0:5")
    assert found == Sweep("latency_ms.p95", (1.0, 0.8, 0.6, 0.4, 0.2))
    assert Sweep.read("latency_ms.p95 = 1.0..0.2 : 5") == found


def test_shares_of_dense_stay_shares():
    found = Sweep.read("size_kb=20%..60%:3")
    assert found.values == (Relative(60), Relative(40), Relative(20))
    assert stated(found.values[1]) == "40% of dense"


@given(st.sampled_from(SWEPT), st.floats(0.01, 10), st.floats(1.1, 10), st.integers(2, 50))
def test_every_cost_can_be_swept(limit, low, factor, count):
    found = Sweep.read(f"{limit}={low:g}..{low * factor:g}:{count}")
    assert found.limit == limit
    assert len(found.values) == count
    assert list(found.values) == sorted(found.values, reverse=True)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95=0.2..1.0", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95=0.2-1.0:5", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95=a..b:5", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95=-1..1:5", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95=nan..1:5", "LIMIT=FROM..TO:COUNT"),
        ("latency_ms.p95=0..1:5", "above 0"),
        ("latency_ms.p95=1..1:5", "two finite numbers"),
        ("latency_ms.p95=0.2..1e999:5", "finite"),
        ("latency_ms.p95=0.2..1.0:1", "2 to 50 points"),
        ("latency_ms.p95=0.2..1.0:51", "2 to 50 points"),
        ("latency_ms.p95=20%..1.0:5", "both in percent"),
        ("latency.p95=0.2..1.0:5", "did you mean 'latency_ms.p95'"),
        ("metric.max_drop=0.01..0.1:5", "no limit on cost"),
    ],
)
def test_what_can_not_be_read_is_told_with_the_grammar(text, part):
    with pytest.raises(UsageError, match=r"[aA]llowed") as caught:
        Sweep.read(text)
    assert part in str(caught.value)
    assert caught.value.exit_code == 2


def test_only_a_recipe_that_prunes_to_its_budget_can_be_swept():
    points = Sweep.read("size_kb=20..60:3")
    check(Prune(to="budget"), points)
    check(None, None)
    for settings in (Prune(ratio=0.5), None):
        with pytest.raises(UsageError, match="to: budget"):
            check(settings, points)
