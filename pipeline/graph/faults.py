"""Why a model can't be exported, in the words of its own code."""

import re
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import fx
from torch.fx.experimental import symbolic_shapes

from targets.errors import TaskError

_NOT_THE_USERS = (Path(torch.__file__).parent, Path(__file__).parent)
_STANDARD = Path(sysconfig.get_path("stdlib"))
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)[^\n]*\n\s*(?P<code>[^\n]*)')


@dataclass(frozen=True)
class Reason:
    """Why an export failed: the exporter's text, the operator and the user's line, where known."""

    text: str
    operator: str | None = None
    place: str | None = None
    depends_on_data: bool = False

    def summary(self) -> str:
        """The reason in a line, as a report gives it."""
        return f"{self.text} ({self.place})" if self.place else self.text

    def error(self) -> TaskError:
        """The error that the user sees."""
        at = f" at {self.place}" if self.place else ""
        if not self.depends_on_data:
            return TaskError(f"the model can't be exported{at}: {self.text}")
        return TaskError(
            f"the model's forward depends on its data: '{self.operator or 'a branch'}'{at}. "
            "An exported graph is the same for every input: replace the branch, the loop or the "
            "computed size by torch.where, a mask or a constant"
        )


def explain(fault: Exception) -> Reason:
    """The reason behind an exporter's exception."""
    depends = isinstance(fault, symbolic_shapes.GuardOnDataDependentSymNode)
    operator, place = _where(fault)
    return Reason(_gist(fault), operator, place, depends)


def refuse_data_dependence(module: fx.GraphModule) -> None:
    """Raise TaskError if a shape or a number in the graph depends on the data of the inputs."""
    for node in module.graph.nodes:
        value = node.meta.get("val")
        if value is not None and symbolic_shapes.free_unbacked_symbols(value):
            raise Reason("", str(node.target), _line(node), depends_on_data=True).error()


def places(module: fx.GraphModule, operator: str) -> tuple[str, ...]:
    """The user's lines that an operator comes from, in the graph's order.

    Args:
        module: a traced graph, whose nodes still know where they come from.
        operator: as a converter names it: "aten.cumsum.default", "aten::cumsum", or a node's name.
    """
    kind = operator.removeprefix("torch.ops.").replace("::", ".")
    found = (
        _line(node)
        for node in module.graph.nodes
        if node.op == "call_function"
        and (node.name == kind or f"{node.target}.".startswith(f"{kind}."))
    )
    return tuple(dict.fromkeys(line for line in found if line is not None))


def _line(node: fx.Node) -> str | None:
    """The last line of the user's code that led to a node."""
    trace = str(node.meta.get("stack_trace", ""))
    lines = [m for m in _FRAME.finditer(trace) if _is_users(m["file"])]
    return _place(*lines[-1].group("file", "line", "code")) if lines else None


def _where(fault: Exception) -> tuple[str | None, str | None]:
    """The last line of the user's code, and the tensor method that it called."""
    operator = place = None
    for frame, line in traceback.walk_tb(fault.__traceback__):
        code = frame.f_code
        if _is_users(code.co_filename):
            summary = traceback.FrameSummary(code.co_filename, line, code.co_name)
            place, operator = _place(code.co_filename, line, summary.line or ""), None
        elif code.co_name == "__torch_function__" and operator is None:
            operator = _method(frame.f_locals.get("func"))
    return operator, place


def _method(called: object) -> str | None:
    name = getattr(called, "__name__", None)
    return f"Tensor.{name}" if name else None


def _is_users(file: str) -> bool:
    if file.startswith("<"):
        return False
    path = Path(file)
    if path.is_relative_to(_STANDARD) and "site-packages" not in path.parts:
        return False
    return not any(path.is_relative_to(folder) for folder in _NOT_THE_USERS)


def _place(file: str, line: object, code: str) -> str:
    return f"{Path(file).name}:{line} `{code.strip()}`"


def _gist(fault: Exception) -> str:
    """The line of an exporter's long message that says what happened."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    points = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return (points or lines or [type(fault).__name__])[0]
