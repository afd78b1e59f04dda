"""What a converter refuses is told with the line of the model's code."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pipeline.exporting import described, export_graph
from pipeline.graph import trace
from targets.errors import ArtifactError, ConversionError


class Median(nn.Module):
    """Ends in an operator that no converter has a rule for."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvalsh(self.head(x))


@pytest.mark.parametrize("runtime", ["tflite", "openvino", "onnxruntime"])
def test_a_refusal_names_the_operator_and_the_line(runtime: str, tmp_path: Path) -> None:
    x = torch.randn(1, 4, 4)
    graph = trace(Median().eval(), (x,))
    with pytest.raises(ConversionError) as caught:
        export_graph(graph, None, (x,), tmp_path / "m", runtime=runtime, activations="int8")
    told = str(caught.value)
    assert "eigvalsh" in told or "eigh" in told
    assert "test_exporting.py:" in told
    assert "`return torch.linalg.eigvalsh(self.head(x))`" in told


def test_a_file_of_ours_that_its_runtime_can_not_load_is_that_runtimes_refusal(tmp_path: Path):
    def refuse(path: Path) -> None:
        raise ArtifactError(f"{path.name}: tflite can't run it: failed to prepare")

    target = SimpleNamespace(runtime="tflite", describe=refuse)
    with pytest.raises(ConversionError, match=r"tflite can't load what was exported .*to prepare"):
        described(target, tmp_path / "model.tflite")
