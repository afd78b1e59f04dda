import numpy as np
import pytest

from pipeline.cost.costs import Costs
from pipeline.cost.table import CostTable
from pipeline.prune.limits import check_charges
from targets.errors import ArtifactError, UsageError

LIMITS = {"latency_ms.p50": 0.2, "latency_ms.p95": 0.3, "size_kb": 50.0, "peak_memory_mb": 4.0}


@pytest.fixture
def table(built: CostTable) -> CostTable:
    return built


def drawn(table: CostTable, seed: int) -> tuple[dict[str, int], tuple[str, ...]]:
    generator = np.random.default_rng(seed)
    widths = {name: int(generator.choice(own)) for name, own in table.legal.items()}
    return widths, ("second",) if seed % 2 else ()


@pytest.mark.parametrize("seed", range(4))
def test_charges_add_up_to_predictions(table, seed: int) -> None:
    costs = Costs(table)
    widths, blocks = drawn(table, seed)
    predicted = costs.predict(table.model.present(widths, blocks))
    legal, charges = costs.legal(), costs.charges(LIMITS)
    check_charges(legal, charges, table.model.blocks)
    found = {}
    for one in charges:
        found[one.limit] = max(found.get(one.limit, 0.0), one.of(legal, widths, blocks))
    assert found["latency_ms.p50"] == pytest.approx(predicted.latency_ms["p50"])
    assert found["latency_ms.p95"] == pytest.approx(predicted.latency_ms["p95"])
    assert found["size_kb"] == pytest.approx(predicted.size_kb)
    assert found["peak_memory_mb"] == pytest.approx(predicted.peak_memory_mb)


def test_sizes_and_memory_are_those_of_the_device(table) -> None:
    costs = Costs(table)
    for probe in table.measured():
        if probe.role != "window":
            predicted = costs.predict(probe.sites)
            assert predicted.size_kb * 1000 == pytest.approx(probe.size_bytes, rel=0.01)
    assert costs.predict(table.dense.sites).peak_memory_mb == pytest.approx(
        table.dense.peak_memory_mb[0], rel=0.01
    )


def test_one_model_is_enough_for_memory(table) -> None:
    """Its constant is measured, and the factors are the usual ones; the rest a run's residual
    corrects."""
    alone = tuple(
        one if one.role == "dense" else one.model_copy(update={"peak_memory_mb": ()})
        for one in table.probes
    )
    costs = Costs(table.model_copy(update={"probes": alone}))
    (peak,) = table.dense.peak_memory_mb
    assert costs.predict(table.dense.sites).peak_memory_mb == pytest.approx(peak, rel=1e-3)
    narrow = table.model.present({name: own[0] for name, own in table.legal.items()})
    # The device holds weights once, not twice: 0.1 MB of 3.1 is told to be 0.2.
    assert 0.9 * peak < costs.predict(narrow).peak_memory_mb < peak


def test_what_is_not_metered_is_unavailable_and_can_not_be_planned(table) -> None:
    costs = Costs(table)
    assert costs.predict(table.dense.sites).energy_mj.startswith("unavailable: no energy meter")
    with pytest.raises(UsageError, match=r"energy_mj.*no energy meter"):
        costs.charges({"energy_mj": 1.0})


def test_a_table_survives_the_disk(table, tmp_path) -> None:
    path = tmp_path / "table.json"
    table.save(path)
    again = CostTable.load(path)
    assert again == table
    assert Costs(again).predict(table.dense.sites) == Costs(table).predict(table.dense.sites)


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "no table of costs"), ('{"version": 2}', "version"), ("[1]", "no table of costs")],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content: str, told: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match=told):
        CostTable.load(path)
    with pytest.raises(ArtifactError, match="can't be read"):
        CostTable.load(tmp_path / "none.json")
