"""`python -m targets.native_worker`: quantizes one file with a runtime's own tool.

Takes one JSON request on stdin and leaves its answer in the file that the request names. A request
without a model asks only whether the tool can be imported.
"""

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

Row = list[NDArray[Any]]


class Tool(Protocol):
    """The module `targets.RUNTIME.native`."""

    def quantize(self, model: Path, rows: Sequence[Row], path: Path, **settings: object) -> None:
        """Writes the int8 version of the float model at `model` to `path`.

        Args:
            model: the float artifact.
            rows: each sample's inputs, as a batch of 1.
            path: of the file to write.
            settings: NativeSettings' fields.
        """


def main() -> None:
    """Does the request's work."""
    request = json.load(sys.stdin)
    answer = Path(request["answer"])
    try:
        tool = cast(Tool, importlib.import_module(f"targets.{request['runtime']}.native"))
        if "model" in request:
            _quantize(tool, request)
        told = {"kind": "done"}
    except ImportError as error:
        told = {"kind": "missing", "message": str(error)}
    except Exception as error:  # noqa: BLE001 whatever a tool raises is its refusal
        told = {"kind": "refused", "message": f"{type(error).__name__}: {error}"}
    answer.write_text(json.dumps(told), encoding="utf-8")


def _quantize(tool: Tool, request: dict[str, Any]) -> None:
    rows = list(_rows(Path(request["samples"])))
    model, path = Path(request["model"]), Path(request["path"])
    tool.quantize(model, rows, path, **request["settings"])


def _rows(path: Path) -> Iterator[Row]:
    with np.load(path, allow_pickle=False) as file:
        stacked = [file[f"arr_{index}"] for index in range(len(file.files))]
    for index in range(len(stacked[0])):
        yield [array[index : index + 1] for array in stacked]


if __name__ == "__main__":
    main()
