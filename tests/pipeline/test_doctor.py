"""The doctor: every finding says what was found, and what cures it where something is wrong."""

from importlib import metadata
from pathlib import Path

import pytest

from pipeline import doctor, tools
from pipeline.doctor import disk, distribution, examine, importable
from pipeline.nearest import advice


def test_a_working_machine_lacks_nothing():
    findings = examine()
    names = [finding.name for finding in findings]
    assert {"python", "torch", "openvino", "import onnxruntime", "CPU", "device host"} <= set(names)
    assert len(names) == len(set(names))
    assert [finding for finding in findings if finding.status == "missing"] == []
    for finding in findings:
        assert finding.found
        assert (finding.status == "ok") == (finding.cure == "")


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ("numpy", "ok"),
        ("numpy>=1.0", "ok"),
        ("numpy>=99", "missing"),
        ("numpy<1", "missing"),
        ("numpy>=1,<99.5", "ok"),
        ("numpy<{numpy}", "missing"),
        ("numpy>={numpy}", "ok"),
        ("numpy>={numpy}.0", "ok"),
        ("no-such-thing>=1", "missing"),
    ],
)
def test_versions_are_compared_with_what_is_wanted(wanted, status):
    wanted = wanted.format(numpy=metadata.version("numpy"))
    finding = distribution(wanted)
    assert finding.status == status
    assert finding.cure == ("" if status == "ok" else f"python -m pip install '{wanted}'")


def test_a_missing_distribution_is_told():
    finding = distribution("no-such-thing>=1")
    assert (finding.name, finding.found) == ("no-such-thing", "not installed")


def test_a_version_with_a_local_part_is_compared_by_its_release(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cpu")
    assert distribution("torch>=2.13,<2.14").status == "ok"
    assert distribution("torch>=2.13.1").found == "2.13.0+cpu, wanted >=2.13.1"


def test_without_an_installation_the_cure_is_to_install(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    found = next(finding for finding in examine() if finding.name == "edgesmith")
    assert found.status == "missing"
    assert "scripts/edgesmith" in found.cure


def test_a_module_that_can_not_be_imported_is_told_with_its_cure():
    finding = importable("thing", "no_such_module")
    assert finding.status == "missing"
    assert (
        finding.found == "can't be imported: ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert finding.cure == "python -m pip install --force-reinstall thing"


def test_a_full_disk_and_one_that_can_not_be_written_are_told(tmp_path, monkeypatch):
    assert disk("here", tmp_path).status in ("ok", "caveat")
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 10**18)
    assert disk("here", tmp_path).cure == "free some space: 1000000000 GB"
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert disk("here", tmp_path).found == f"{tmp_path} can't be written"


def test_no_folder_for_temporaries_is_told(monkeypatch):
    def refuse():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(doctor.tempfile, "gettempdir", refuse)
    found = next(finding for finding in examine() if finding.name == "disk for temporaries")
    assert (found.status, found.cure) == ("missing", "free some space, or set TMPDIR to a folder")


def test_a_broken_device_file_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "edgesmith" / "devices"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text("name: [")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    found = next(finding for finding in examine() if finding.name == "device broken")
    assert found.status == "missing"
    assert "broken.yaml" in found.found


def test_versions_name_every_tool_and_what_is_missing(monkeypatch):
    found = tools.versions().keys() - set(tools.OPTIONAL)
    assert found == {"python", "machine", "edgesmith", *tools.DISTRIBUTIONS}
    assert "missing" not in tools.versions().values()
    assert tools._version("no-such-thing") == "missing"


def test_our_own_code_counts_among_the_tools(tmp_path, monkeypatch):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "x.py").write_text("a = 1")
    monkeypatch.setattr(tools, "_OURS", tmp_path)
    before = tools._source_digest()
    (tmp_path / "pipeline" / "notes.txt").write_text("")
    assert tools._source_digest() == before
    (tmp_path / "pipeline" / "x.py").write_text("a = 2")
    assert tools._source_digest() != before


def test_a_machine_without_cpuinfo_has_a_processor_still(monkeypatch):
    def refuse(self, *arguments, **settings):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert tools.processor.__wrapped__()


def test_advice_names_the_nearest_and_all():
    assert advice("hsot", ["pi4", "host"]) == "did you mean 'host'? allowed: host, pi4"
    assert advice("Host", ["host"]) == "did you mean 'host'? allowed: host"
    assert advice("zzz", ["host"]) == "allowed: host"
    assert advice("zzz", []) == "allowed: none"
