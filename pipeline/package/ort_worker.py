"""`python -m pipeline.package.ort_worker MODEL FOLDER`: an .onnx file as .ort.

Leaves model.ort and operators.config in the folder, and the outputs for its inputs.npz. A process
of its own, since files that come from elsewhere can crash what loads them.
"""

import resource
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

from pipeline.package.ort_canonical import canonical

MEMORY_LIMIT_BYTES = 4 * 1024**3
PLATFORM = "arm"


def main() -> None:
    """Does the work."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    model, folder = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        convert(model, Path(name))
        (converted,) = Path(name).glob("*.ort")
        (operators,) = Path(name).glob("*.config")
        (folder / "model.ort").write_bytes(canonical(converted.read_bytes()))
        (folder / "operators.config").write_text(uncommented(operators.read_text("utf-8")), "utf-8")
    np.savez(folder / "outputs.npz", *outputs(folder / "model.ort", folder / "inputs.npz"))


def convert(model: Path, folder: Path) -> None:
    """Runs ONNX Runtime's own tool."""
    tool = import_module("onnxruntime.tools.convert_onnx_models_to_ort")
    tool.convert_onnx_models_to_ort(
        model_path_or_dir=model,
        output_dir=folder,
        optimization_styles=[tool.OptimizationStyle.Fixed],
        target_platform=PLATFORM,
        enable_type_reduction=True,
    )


def uncommented(text: str) -> str:
    """The operators without the comments, which tell where on this machine they were made."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def outputs(model: Path, inputs: Path) -> list[np.ndarray]:
    """Each output for the inputs, all as the tensors hold them, samples stacked on axis 0."""
    with np.load(inputs, allow_pickle=False) as file:
        stacked = [file[f"arr_{index}"] for index in range(len(file.files))]
    runtime = import_module("onnxruntime")
    session = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    rows = [
        session.run(
            None, {name: one[at : at + 1] for name, one in zip(names, stacked, strict=True)}
        )
        for at in range(len(stacked[0]))
    ]
    return [np.concatenate(each) for each in zip(*rows, strict=True)]


if __name__ == "__main__":
    main()
