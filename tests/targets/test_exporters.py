"""What every exporter promises; each runtime inherits the whole suite."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, files_of
from targets.errors import ConversionError, EnvironmentFault

SCRIPT = Path(__file__).parent / "export_all.py"
PATHS = (b"/home", b"/tmp", b"/work", b"site-packages", b".py", b"Wrapper")


def loaded(script: Path):
    spec = importlib.util.spec_from_file_location("export_all", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def net():
    """export_all.py as a module."""
    return loaded(SCRIPT)


@pytest.fixture(scope="session")
def graphs(net):
    """The float graph, and its quantized forms: folded and unfolded."""
    return net.graphs()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders of files, made by two processes in other folders, orders and hash seeds."""
    folders = []
    for number, order in enumerate(([], ["reversed"])):
        folder = tmp_path_factory.mktemp(f"run{number}")
        script = shutil.copy(SCRIPT, folder / f"script{number}.py")
        done = subprocess.run(
            [sys.executable, script, str(folder), *order],
            cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": str(number + 1), "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            timeout=240,
        )
        # Nothing but the script's own line: converters are silent.
        assert len(json.loads(done.stdout)) == 6
        folders.append(folder)
    return folders


class Exporter:
    runtime = ""

    @property
    def suffix(self) -> str:
        return SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[self.runtime]]

    @property
    def exporter(self):
        return import_module(f"targets.{self.runtime}.export")

    def opened(self, path: Path):
        session = import_module(f"targets.{self.runtime}.session").Session(str(path))
        session.prepare()
        return session

    def outputs(self, session, inputs) -> list[np.ndarray]:
        """Outputs stacked over samples, the ones of the fewest differences to torch's order."""
        runs = [session.run([each[i : i + 1].numpy() for each in inputs]) for i in range(4)]
        return [np.concatenate(parts) for parts in zip(*runs, strict=True)]

    @pytest.mark.parametrize("precision", ["fp32", "int8"])
    def test_bytes_do_not_depend_on_process_folder_or_order(self, runs, precision) -> None:
        first, second = ([*files_of(folder / f"{precision}{self.suffix}")] for folder in runs)
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes()

    @pytest.mark.parametrize("precision", ["fp32", "int8"])
    def test_no_path_is_in_the_file(self, runs, precision) -> None:
        for file in files_of(runs[0] / f"{precision}{self.suffix}"):
            assert not [path for path in PATHS if path in file.read_bytes()]

    def test_float_outputs_are_torchs(self, net, graphs, runs) -> None:
        inputs = net.example()
        with torch.no_grad():
            expected = graphs[0](*inputs)
        found = self.outputs(self.opened(runs[0] / f"fp32{self.suffix}"), inputs)
        for one, other in zip(found, expected, strict=True):
            # Sums of at most 64 products in float32, in another order: 64 * 2^-24 < 1e-5.
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-5)

    def test_quantized_outputs_are_torchs(self, net, graphs, runs) -> None:
        inputs = net.example()
        with torch.no_grad():
            expected = graphs[2](*inputs)
        session = self.opened(runs[0] / f"int8{self.suffix}")
        found = self.outputs(session, inputs)
        # Three int8 tensors, each at most one step (range / 255, ranges under 8) apart by a tie.
        assert np.abs(found[0] - expected[0].numpy()).max() < 3 * 8 / 255

    def test_inputs_and_outputs_keep_order_and_shape(self, runs) -> None:
        session = self.opened(runs[0] / f"fp32{self.suffix}")
        assert [each.shape for each in session.inputs] == [(1, 3, 16, 16), (1, 5)]
        assert [each.shape for each in session.outputs] == [(1, 5), (1, 5)]
        assert {each.dtype for each in session.inputs} == {"float32"}

    def test_the_graph_is_left_as_it_was(self, net, graphs, tmp_path: Path) -> None:
        inputs = tuple(each[:1] for each in net.example())
        before = [(node.name, dict(node.meta)) for node in graphs[0].graph.nodes]
        self.exporter.export(graphs[0], inputs, tmp_path / f"m{self.suffix}", precision="fp32")
        assert [(node.name, dict(node.meta)) for node in graphs[0].graph.nodes] == before

    def test_a_float_graph_is_no_int8(self, net, graphs, tmp_path: Path) -> None:
        inputs = tuple(each[:1] for each in net.example())
        path = tmp_path / f"m{self.suffix}"
        with pytest.raises(ConversionError, match="int8"):
            self.exporter.export(graphs[0], inputs, path, precision="int8")
        assert not list(tmp_path.iterdir())

    def test_an_unknown_operator_is_named(self, tmp_path: Path, capfd) -> None:
        class Odd(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.special.bessel_j0(x)

        x = (torch.randn(1, 4),)
        graph = torch.export.export(Odd(), x).module()
        with pytest.raises(ConversionError, match=r"at operator \S*bessel_j0") as refused:
            self.exporter.export(graph, x, tmp_path / f"m{self.suffix}", precision="fp32")
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 400
        assert "Traceback" not in str(refused.value)
        assert capfd.readouterr().out == ""

    def test_a_folder_that_cannot_be_made_is_said(self, net, graphs, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        inputs = tuple(each[:1] for each in net.example())
        path = tmp_path / "file" / f"m{self.suffix}"
        with pytest.raises(EnvironmentFault, match="can't be written"):
            self.exporter.export(graphs[0], inputs, path, precision="fp32")


class TestTflite(Exporter):
    runtime = "tflite"


class TestOpenvino(Exporter):
    runtime = "openvino"

    def test_weights_are_not_float16(self, runs) -> None:
        assert b'"f16"' not in (runs[0] / "fp32.xml").read_bytes()

    def test_telemetry_is_not_loaded(self) -> None:
        code = (
            "import sys, targets.openvino.session;"
            "assert sys.modules['openvino_telemetry'] is None;"
            "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class TestOnnxRuntime(Exporter):
    runtime = "onnxruntime"
