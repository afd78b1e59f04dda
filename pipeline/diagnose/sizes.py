"""Rules on sizes that the file leaves open."""

from collections.abc import Iterator

from pipeline.diagnose.case import Case, named
from pipeline.diagnose.finding import Finding

FIXING = {
    "onnxruntime": "python -m onnxruntime.tools.make_dynamic_shape_fixed --input_name {name} "
    "--input_shape {shape} MODEL FIXED",
    "openvino": "model.reshape({{'{name}': [{shape}]}}) before ov.save_model",
    "tflite": "convert from a model traced with the input {name} of shape ({shape})",
}
"""How each format's own tools fix an input's shape."""


def find(case: Case) -> Iterator[Finding]:
    """Open sizes of inputs; else those of tensors inside."""
    opened = _opened(case)
    for name, shape in opened.items():
        yield _open(case, name, shape)
    if not opened:
        yield from _inside(case)


def undecided(case: Case) -> dict[str, tuple[int, ...]]:
    """Inputs of which more than the batch is open, and of which no shape was asked for."""
    return {
        name: shape
        for name, shape in _opened(case).items()
        if -1 in shape[1:] and name not in case.sizes
    }


def _opened(case: Case) -> dict[str, tuple[int, ...]]:
    """Shapes of inputs with an open size, by the names that the runtime has for them."""
    keys = case.work.inputs if case.work else ()
    shapes = {case.name(key): case.tensor(key).shape for key in keys}
    return {name: shape for name, shape in shapes.items() if shape and -1 in shape}


def _open(case: Case, name: str, shape: tuple[int, ...]) -> Finding:
    told = f"input '{name}' has the shape {list(shape)}"
    example = _example(shape)
    cure = "fix it: " + FIXING[case.runtime].format(name=name, shape=example)
    if name in case.sizes:
        found = f"{told}; measured as {list(case.sizes[name])}, fixed as an app may not have it"
        return Finding("dynamic-sizes", "note", found, cure, (name,))
    if -1 not in shape[1:]:
        found = f"{told}: its batch is open; measured as 1"
        return Finding("dynamic-batch", "note", found, cure, (name,))
    found = f"{told}: nothing is measured until its sizes are known"
    return Finding("dynamic-sizes", "error", found, f"--shape {name}={example}, or {cure}", (name,))


def _example(shape: tuple[int, ...]) -> str:
    """The shape as one writes it, with a batch of 1 and a word for what is to be filled in."""
    sizes = ["SIZE" if size == -1 else str(size) for size in shape]
    return ",".join(["1" if shape[0] == -1 else sizes[0], *sizes[1:]])


def _inside(case: Case) -> Iterator[Finding]:
    """Tensors of open sizes though all inputs are fixed: a delegate or a plan can't take them."""
    makers = [
        one
        for one in case.operators
        if any(-1 in (case.tensor(key).shape or ()) for key in one.outputs)
        and not any(-1 in (case.tensor(key).shape or ()) for key in one.inputs)
    ]
    if makers:
        kinds = ", ".join(sorted({one.type for one in makers}))
        names = tuple(one.name or one.type for one in makers)
        found = f"{kinds} ({named(names)}) give tensors whose size depends on data"
        cure = (
            "move them behind the model, into the app, or bound them by a fixed number of results"
        )
        yield Finding("dynamic-inside", "warning", found, cure, names)
