from importlib import metadata
from pathlib import Path

import pytest

from pipeline.package.mcu.npu import SYSTEMS, NpuFigures, npu_figures
from pipeline.report.document import Unavailable


@pytest.fixture(autouse=True)
def vela():
    pytest.importorskip("ethosu", reason="no ethos-u-vela; pip install 'edgesmith[mcu]'")


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.accelerator)
def test_vela_models_a_net_the_same_way_every_time(relu, system):
    found = npu_figures(relu[0].path, system)
    assert isinstance(found, NpuFigures)
    assert found.provenance == "modelled"
    assert (found.npu_operators, found.cpu_operators, found.rejected) == (1, 0, ())
    assert found.inference_ms > 0
    assert npu_figures(relu[0].path, system) == found


def test_what_an_npu_can_not_run_is_named(float_relu):
    found = npu_figures(float_relu[0].path, SYSTEMS[0])
    assert isinstance(found, NpuFigures)
    assert (found.npu_operators, found.cpu_operators) == (0, 1)
    assert found.rejected == ("RELU",)


def test_a_model_that_vela_refuses_has_no_figures(tmp_path: Path):
    (tmp_path / "m.tflite").write_bytes(b"no model")
    found = npu_figures(tmp_path / "m.tflite", SYSTEMS[0])
    assert isinstance(found, Unavailable)
    assert "can't compile it" in found.unavailable


def test_without_vela_there_are_no_figures(relu, monkeypatch):
    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    found = npu_figures(relu[0].path, SYSTEMS[0])
    assert isinstance(found, Unavailable)
    assert "pip install 'edgesmith[mcu]'" in found.unavailable
