"""What the exporters share: the graph made ready, converters kept quiet, files written whole.

Desk side only: imports torch, knows no runtime.
"""

import contextlib
import io
import logging
import os
import re
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch.export import ExportedProgram

from targets.errors import ConversionError, EnvironmentFault
from targets.lowering import Lowerings, lower

Precision = Literal["fp32", "int8", "float16", "int8-weights", "int4-weights"]
SMALL_WEIGHTS: tuple[Precision, ...] = ("int8-weights", "int4-weights")
"""Precisions of stored matrices alone."""
Activations = Literal["int8", "uint8"]
Io = Literal["int8", "float32"]

KEPT_METADATA = ("val", "tensor_meta")
MESSAGE_LENGTH = 300
OPERATOR = re.compile(
    r"(?:torch\.ops\.)?((?:aten|prims|quantized_decomposed|torchao)(?:\.|::)\w+(?:\.\w+)*)"
    r"|loc\(\"(\w+)"
)
NOISE = re.compile(
    r"^\s*(File \"|Traceback|While executing|Original traceback|\^|#|%|<class|None$|Use tlparse"
    r"|Check '|FrontEnd API failed|Summary:$)"
)


def specialise(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], lowerings: Lowerings
) -> ExportedProgram:
    """The graph traced again with these inputs' static shapes, without where it came from, and
    with operators that the runtime's converter can't take written out (`lowerings`).

    Source paths, stack traces and module paths are dropped from its nodes: converters write them
    into names and metadata, and an artifact would then depend on the folder it was made in.
    The module is not changed; parameters are shared with it.
    """
    with torch.no_grad():
        program = torch.export.export(lower(module, lowerings), inputs)
    for node in program.graph.nodes:
        for key in set(node.meta) - set(KEPT_METADATA):
            del node.meta[key]
        node.meta["nn_module_stack"] = {"": ("", node.name)}  # what tensors are named after
    return program


@contextlib.contextmanager
def converting(runtime: str) -> Iterator[None]:
    """Runs a converter in silence, and turns whatever it raises into a ConversionError."""
    try:
        with silence():
            yield
    except (ConversionError, MemoryError):
        raise
    except Exception as error:
        raise refusal(runtime, error) from error


def refusal(runtime: str, error: BaseException) -> ConversionError:
    """What a converter said, shortened, with the operator that it names put first."""
    said = "\n".join(str(cause) for cause in _causes(error))
    named = OPERATOR.search(said)
    lines = [line.strip() for line in said.splitlines() if line.strip() and not NOISE.match(line)]
    message = textwrap.shorten(" ".join(lines), MESSAGE_LENGTH, placeholder=" ...")
    operator = str(named.group(1) or named.group(2)) if named else ""
    at = f" at operator {operator}" if operator else ""
    said = message or type(error).__name__
    return ConversionError(f"{runtime} can't take the model{at}: {said}", operator)


def _causes(error: BaseException) -> list[BaseException]:
    """The error's chain, the innermost (the one that says what is wrong) first."""
    chain = [error]
    while (cause := chain[0].__cause__ or chain[0].__context__) and cause not in chain:
        chain.insert(0, cause)
    return chain


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps Python and native code off stdout and stderr, and leaves logging as it was.

    Native libraries write to the descriptors, Python ones to sys.stdout, and some install a root
    log handler when first used: all three are put back afterwards.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [logging.NullHandler()]
    sink = io.StringIO()
    try:
        with (
            _descriptors_to_null(),
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextlib.contextmanager
def _descriptors_to_null() -> Iterator[None]:
    null = os.open(os.devnull, os.O_WRONLY)
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        for descriptor in saved:
            os.dup2(null, descriptor)
        yield
    finally:
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(null)


def publish(files: dict[Path, bytes]) -> None:
    """Writes files so that each appears whole or not at all, the first one last.

    A reader that finds the first (an OpenVINO .xml) therefore finds the others (its .bin).
    Raises EnvironmentFault where the disk is full or the folder can't be written.
    """
    for path, content in reversed(files.items()):
        try:
            _replace(path, content)
        except OSError as error:
            raise EnvironmentFault(
                f"{path}: can't be written: {error.strerror}; mend that and run it again"
            ) from error


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
