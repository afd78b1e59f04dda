"""A finished run's folder for bench_gate, and a model that is slower than its artifact.

gate_models.py FOLDER makes both files, in a process of its own (it imports torch).
"""

import subprocess
import sys
from pathlib import Path

from pipeline.report import storage
from pipeline.report.document import ArtifactFacts, MeasurementSummary, Report, Row
from targets.artifact import digest
from targets.measurement import Measurement

RUNTIME = "onnxruntime"
NAME = "model.onnx"
BLOCKS, MORE_BLOCKS = 20, 24
SIDE, CHANNELS = 32, 32


def baseline_run(folder: Path) -> tuple[Path, Path]:
    """The run's folder, and the file of the slower model."""
    subprocess.run([sys.executable, __file__, str(folder)], check=True)
    run = folder / "run"
    path = f"artifacts/{RUNTIME}/{NAME}"
    sha256, size_bytes = digest([run / path])
    facts = ArtifactFacts(path=path, format="onnx", sha256=sha256, size_bytes=size_bytes)
    nothing = Measurement(sha256, RUNTIME, (), (), "measured-on-device").summary()
    measured = MeasurementSummary.model_validate(nothing)
    row = Row(name="final", runtime=RUNTIME, artifact=facts, measurement=measured, selected=True)
    report = Report(recipe="gate", device="host", verdict="PASS", baseline=(), candidates=(row,))
    storage.write(report, {}, run)
    return run, folder / "slower" / NAME


def main(folder: Path) -> None:
    """Writes run/artifacts/… of BLOCKS blocks, and slower/… of MORE_BLOCKS."""
    import torch

    from targets.onnxruntime.export import export

    for into, count in ((f"run/artifacts/{RUNTIME}", BLOCKS), ("slower", MORE_BLOCKS)):
        torch.manual_seed(0)
        blocks = [
            torch.nn.Sequential(torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), torch.nn.ReLU())
            for _ in range(count)
        ]
        inputs = (torch.randn(1, CHANNELS, SIDE, SIDE),)
        (folder / into).mkdir(parents=True)
        net = torch.nn.Sequential(*blocks).eval()
        export(net, inputs, folder / into / NAME, precision="fp32")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
