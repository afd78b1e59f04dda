import pytest

from pipeline.cost import building
from pipeline.cost.building import build, kept_table
from pipeline.cost.costs import Costs
from targets.errors import ConversionError, FolderInUse, MeasurementInvalid, UsageError
from targets.measurement import MemoryPhases

pytestmark = pytest.mark.usefixtures("short")
MINUTES = 10.0


class Killed(BaseException):
    """As if the process were gone."""


def test_a_known_staircase_is_found_and_predicted(built) -> None:
    table = built
    inner = [name for name in table.legal if name != "stem.weight[0]"]
    for name in inner:
        assert set(table.legal[name]) == set(range(8, table.legal[name][-1] + 1, 8))
    error = Costs(table).own_error()
    # The fake device is exact but for 1 ns, and its tiles of 8 are among those that are fitted.
    assert error is not None
    assert error.largest < 0.02
    assert error.within == (1.0, 1.0)
    assert len(error.rows) >= 4


def test_its_wandering_is_divided_out(built, truth) -> None:
    table = built
    for probe in table.measured():
        measured = probe.latency_ms(truth(table.dense.sites))
        assert measured == pytest.approx(truth(probe.sites), rel=1e-3)


def test_a_second_run_starts_from_the_kept_table(bench, another) -> None:
    first = build(bench, MINUTES)
    second, device = another()
    assert build(second, MINUTES) == first
    assert device.sessions == 0
    assert device.made == []
    assert not list(bench.folder.glob("*.work"))


def test_a_kill_costs_no_more_than_what_it_interrupted(bench, device, another) -> None:
    def kill(number: int) -> None:
        if number == 6:
            raise Killed

    device.breaks = kill
    with pytest.raises(Killed):
        build(bench, MINUTES)
    before = set(device.made)
    again, fresh = another()
    table = build(again, MINUTES)
    assert fresh.made
    assert not before & set(fresh.made) - {"dense"}
    assert all(len(probe.timings) <= 3 for probe in table.measured() if probe.role != "dense")
    assert Costs(table).own_error().largest < 0.02


def test_half_a_line_in_the_journal_is_no_line(bench, device, another) -> None:
    def kill(number: int) -> None:
        if number == 6:
            raise Killed

    device.breaks = kill
    with pytest.raises(Killed):
        build(bench, MINUTES)
    (journal,) = bench.folder.glob("*.jsonl")
    journal.write_text(journal.read_text()[:-40])
    again, _ = another()
    assert Costs(build(again, MINUTES)).own_error().largest < 0.02


def test_a_drifting_device_is_invalid(bench, device) -> None:
    device.drift = 0.2
    with pytest.raises(MeasurementInvalid, match=r"drifts while probing, in 3 attempts") as found:
        build(bench, MINUTES)
    assert found.value.exit_code == 4
    assert kept_table(bench.folder, bench.key) is None


def test_a_probe_that_can_not_be_converted_is_a_reason(bench, device) -> None:
    device.refuses = lambda name: name in ("model-3", "window-third.conv1.weight[0]-at-8")
    table = build(bench, MINUTES)
    refused = {probe.name: probe.reason for probe in table.declined()}
    assert refused["model 3"] == "model-3 can't be taken at operator aten.odd"
    assert Costs(table).own_error().largest < 0.02


def test_a_model_that_can_not_be_converted_is_an_error(bench, device) -> None:
    device.refuses = lambda name: name == "dense"
    with pytest.raises(ConversionError, match="dense can't be taken"):
        build(bench, MINUTES)


def test_the_time_is_kept_and_what_is_unknown_stays_legal(bench, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.cost.building.STAIRS_SHARE", 0.0)
    table = build(bench, 1e-6)
    assert "is up" in table.ended
    assert len([one for one in table.probes if one.role != "window"]) == 13
    assert table.legal["third.conv1.weight[0]"] == tuple(range(4, 33, 4))


@pytest.fixture
def shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few models as there is time for: those at the corners and one more."""
    monkeypatch.setattr(building, "BATCH", 4)
    monkeypatch.setattr(building, "STAIRS_SHARE", 0.0)


@pytest.mark.usefixtures("shortest")
def test_memory_can_be_planned_from_the_shortest_table(bench, device) -> None:
    table = build(bench, 1e-6)
    weighed = [probe.name for probe in table.probes if probe.peak_memory_mb]
    assert weighed == ["dense", "narrowest", "without blocks", "narrowest without blocks"]
    costs = Costs(table)
    assert {one.limit for one in costs.charges({"peak_memory_mb": 3.1})} == {"peak_memory_mb"}
    narrow = {name: widths[0] for name, widths in table.legal.items()}
    for widths in ({}, narrow):
        present = table.model.present(widths)
        # The device's megabytes of weights: their factor is 1 there, and usually nearer 2.
        assert costs.predict(present).peak_memory_mb == pytest.approx(
            device.peak_mb(present), rel=0.01
        )


@pytest.mark.usefixtures("shortest")
def test_without_a_reading_memory_is_unavailable_with_the_reason(bench, device) -> None:
    device.memory = lambda artifact: MemoryPhases(reason="no /proc on this device")
    costs = Costs(build(bench, 1e-6))
    told = costs.predict(costs.table.dense.sites).peak_memory_mb
    assert told == "unavailable: no /proc on this device"
    with pytest.raises(UsageError, match=r"peak_memory_mb.*no /proc on this device"):
        costs.charges({"peak_memory_mb": 3.0})


@pytest.mark.usefixtures("shortest")
def test_a_kill_before_memory_was_measured_loses_none(bench, device, another) -> None:
    def gone(artifact):
        if "narrowest" in str(artifact.path):
            raise Killed
        return MemoryPhases(0, 0, 0, 3_000_000)

    device.memory = gone
    with pytest.raises(Killed):
        build(bench, 1e-6)
    again, fresh = another()
    table = build(again, 1e-6)
    assert "narrowest" in [probe.name for probe in table.probes if probe.peak_memory_mb]
    assert fresh.made == []


def test_two_at_once_are_refused(bench, device, another) -> None:
    def start_another(number: int) -> None:
        second, _ = another()
        with pytest.raises(FolderInUse, match="another process probes"):
            build(second, MINUTES)
        raise Killed

    device.breaks = start_another
    with pytest.raises(Killed):
        build(bench, MINUTES)


def test_a_table_of_another_key_is_refused_with_the_difference(built) -> None:
    table = built
    other = table.key.model_copy(update={"threads": 2, "precision": "int8"})
    with pytest.raises(UsageError, match=r"precision: the table's is 'fp32', here it is 'int8'"):
        table.against(other)
    with pytest.raises(UsageError, match=r"threads: the table's is 1, here it is 2"):
        table.against(other)
    changed = table.key.model_copy(update={"device": {"cpu": "another", "cores": "1"}})
    with pytest.raises(UsageError, match=r"of another device: cpu: the table's is 'a fake one'"):
        table.against(changed)
