"""Rules on the file itself."""

from collections.abc import Iterator

from pipeline.diagnose.case import Case, named
from pipeline.diagnose.finding import Finding


def find(case: Case) -> Iterator[Finding]:
    """Weights in other files, and a graph that only the runtime can read."""
    if case.companions:
        names = tuple(file.relative_to(case.path.parent).as_posix() for file in case.companions)
        found = f"weights are in {named(names)} beside the model"
        cure = "ship all of them in one folder, or put them into the model if it is below 2 GB"
        cure += ": onnx.save(onnx.load(MODEL), FILE)"
        yield Finding("external-data", "note", found, cure, names)
    if case.unread:
        cure = "only what the runtime executes is told; convert it anew with the format's own tool"
        yield Finding("unread", "note", case.unread, cure)
