import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.package.linux import requirements as module
from pipeline.package.linux.build import DISTRIBUTIONS
from pipeline.package.linux.requirements import requirements
from pipeline.wheels import wheels_in
from targets.errors import EnvironmentFault

CONSTRAINTS = Path(__file__).parents[4] / "scripts/constraints.txt"
LINE = re.compile(r"[a-z0-9.-]+==[^ ]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n")


@pytest.mark.parametrize("distribution", sorted(DISTRIBUTIONS.values()))
def test_every_wheel_that_is_needed_is_pinned_by_hash(distribution: str):
    found = requirements(distribution)
    assert not found.unavailable, "scripts/lock-wheels has not seen the installed version"
    body = re.sub(r"^#.*\n", "", found.text.decode(), flags=re.MULTILINE)
    assert LINE.sub("", body) == ""
    assert body.count("==") == len(found.wheels)


@pytest.mark.parametrize("distribution", sorted(DISTRIBUTIONS.values()))
def test_the_pins_are_what_this_project_is_tested_with(distribution: str):
    lines = CONSTRAINTS.read_text().lower().replace("_", "-").splitlines()
    assert set(requirements(distribution).wheels) <= set(lines)


@pytest.mark.parametrize("distribution", sorted(DISTRIBUTIONS.values()))
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_machine_finds_a_wheel_of_everything(distribution, machine, tmp_path: Path):
    found = requirements(distribution)
    for python in found.pythons:
        major, minor = map(int, python.split("."))
        device = SimpleNamespace(python=(major, minor, 0), arch=machine, glibc=(2, 36))
        for pin, known in found.wheels.items():
            folder = tmp_path / python / pin
            folder.mkdir(parents=True)
            for name in known:
                (folder / name).touch()
            assert any(wheel.fits(device) for wheel in wheels_in(folder)), (pin, python)


def test_versions_whose_hashes_are_unknown_are_pinned_without_and_say_so(monkeypatch):
    monkeypatch.setattr(module, "installed", lambda name: "99.1")
    found = requirements("onnxruntime")
    text = found.text.decode()
    assert "# No hashes: the hashes of onnxruntime==99.1 and numpy==99.1 are not among" in text
    assert text.endswith("numpy==99.1\nonnxruntime==99.1\n")
    assert "--hash" not in text
    assert "onnxruntime==99.1" in found.details["unavailable"]
    assert {one.sha256 for one in found.libraries} == {None}


def test_a_wheel_for_all_machines_has_its_hash_in_the_bill():
    hashes = {one.name: one.sha256 for one in requirements("onnxruntime").libraries}
    assert hashes["numpy"] is None
    assert re.fullmatch("[0-9a-f]{64}", hashes["flatbuffers"])


def test_a_runtime_that_is_missing_is_named():
    with pytest.raises(EnvironmentFault, match="pip install no-such-runtime"):
        requirements("no-such-runtime")
