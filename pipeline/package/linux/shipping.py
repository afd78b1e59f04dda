"""The programs in a Linux package: what runs the model, and a Python API of its own.

The arithmetic before and after the model is shipped as it is here (pipeline.processing), so that
an app computes what was measured; only its imports are made relative, and its types, which check
what a task states, are replaced by a plain one (shipped/section.py).
"""

import re
from importlib.resources import files as resources

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline.package.api.leaving import used_up
from pipeline.package.api.words import comment, input_told, output_told
from pipeline.package.contents import Delivery
from pipeline.package.interface import InputPort, OutputPort
from pipeline.processing.after import ArgmaxMask, DecodeBoxes, TopK

SHIPPED = ("package", "program", "runtimes", "model", "results", "section", "serve")
PROCESSING = ("before", "after", "sources", "flow", "prepare", "finish", "boxes", "log_mel")
HERE = "pipeline.package.linux.shipped"
TEMPLATES = {"run.py": "run.py", "examples/example.py": "example.py"}


def environment() -> Environment:
    """The templates of this folder."""
    return Environment(
        loader=PackageLoader("pipeline.package.linux", ""),
        undefined=StrictUndefined,
        autoescape=select_autoescape(()),  # they make programs, which have none of HTML's escapes
        keep_trailing_newline=True,
    )


def programs(delivery: Delivery) -> dict[str, bytes]:
    """run.py, the folder with the Python API, and an example, by path."""
    module = delivery.interface.module
    facts = {"title": delivery.title, "module": module, **_facts(delivery)}
    made = {path: f"{name}.j2" for path, name in TEMPLATES.items()}
    made |= {f"{module}/__init__.py": "init.py.j2", f"{module}/api.py": "api.py.j2"}
    templates = environment()
    return {
        **{
            path: templates.get_template(one).render(**facts).encode() for path, one in made.items()
        },
        **{f"{module}/{name}.py": _source(HERE, name) for name in SHIPPED},
        **{f"{module}/{name}.py": _source("pipeline.processing", name) for name in PROCESSING},
    }


def _source(package: str, name: str) -> bytes:
    """A module as it is here, importing from the folder that it is shipped in."""
    text = resources(package).joinpath(f"{name}.py").read_text(encoding="utf-8")
    relative = re.sub(r"^from pipeline\.processing\.", "from .", text, flags=re.MULTILINE)
    return relative.replace("from pydantic import", "from .section import").encode()


def _facts(delivery: Delivery) -> dict[str, object]:
    interface = delivery.interface
    declared = bool(delivery.golden.sources)
    golden = "golden/source" if declared else "golden/input"
    entries = enumerate(interface.inputs)
    spent = used_up(interface)
    exits = [(i, one) for i, one in enumerate(interface.outputs) if i not in spent]
    return {
        "class_name": interface.class_name,
        "inputs": [_input(one, f"{golden}-{index}.npy") for index, one in entries],
        "outputs": [_output(index, one) for index, one in exits],
    }


def _input(port: InputPort, golden: str) -> dict[str, str]:
    return {
        "field": port.field,
        "argument": f"{port.field}: np.ndarray",
        "told": comment(input_told(port)),
        "golden": golden,
    }


def _output(index: int, port: OutputPort) -> dict[str, str]:
    return {
        "field": port.field,
        "type": _type(port),
        "told": comment(output_told(port)),
        "taken": f"found[{index}]",
    }


def _type(port: OutputPort) -> str:
    match port.postprocess[-1:]:
        case (TopK(),):
            return "list[Classification]"
        case (ArgmaxMask(),):
            return "Mask"
        case (DecodeBoxes(),):
            return "list[Detection]"
    return "np.ndarray"
