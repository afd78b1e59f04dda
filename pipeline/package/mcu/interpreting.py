"""`python -m pipeline.package.mcu.interpreting MODEL INPUTS OUTPUTS`: a model in tflite-micro.

Tells as JSON what the file holds and the least arena in which it runs, and leaves the raw outputs
for the raw inputs (both .npz) as that arena gives them. A process of its own, since the interpreter
crashes on files and arenas that it can't take.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pipeline.package.mcu.model_file import read

RUNTIME = "tflite_micro.python.tflite_micro"
MEMORY_LIMIT_BYTES = 2 * 1024**3
CEILING_BYTES = 64 * 1024**2
"""More than any microcontroller has: what does not run in this does not run."""

Array = NDArray[np.generic]
Rows = Sequence[Sequence[Array]]
Interpreter = Any
"""tflite-micro's class, which has no types."""


def main() -> None:
    """Prints the answer; `missing` or `refused` in it say why there is no arena."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, inputs, outputs = map(Path, sys.argv[1:])
    content = path.read_bytes()
    file = read(content)
    answer: dict[str, object]
    try:
        interpreter: Interpreter = import_module(f"{RUNTIME}.runtime").Interpreter
        version = str(import_module(f"{RUNTIME}._version").__version__)
        model = _Model(interpreter, content, len(file.outputs))
        answer = {"version": version, **_answer(model, _rows(inputs), outputs)}
    except ImportError as error:
        answer = {"missing": str(error)}
    json.dump({"file": asdict(file), **answer}, sys.stdout)


@dataclass(frozen=True)
class _Model:
    """A model and what runs it."""

    interpreter: Interpreter
    content: bytes
    outputs: int

    def run(self, rows: Rows, arena_bytes: int) -> list[Array]:
        """Each output, stacked over the rows of inputs. RuntimeError where it can't be run."""
        session = self.interpreter.from_bytes(self.content, arena_size=arena_bytes)
        made = []
        for row in rows:
            for index, array in enumerate(row):
                session.set_input(array, index)
            session.invoke()
            made.append([np.array(session.get_output(index)) for index in range(self.outputs)])
        return [np.concatenate(each) for each in zip(*made, strict=True)]

    def works(self, rows: Rows, arena_bytes: int) -> bool:
        """Whether it runs; in a child, since in too small an arena it may crash."""
        child = os.fork()
        if child == 0:
            self._end(rows, arena_bytes)
        return os.waitpid(child, 0)[1] == 0

    def _end(self, rows: Rows, arena_bytes: int) -> NoReturn:
        code = 1
        try:
            self.run(rows, arena_bytes)
            code = 0
        finally:  # the child ends here, whatever it met
            os._exit(code)


def _answer(model: _Model, rows: Rows, outputs: Path) -> dict[str, object]:
    if not model.works(rows[:1], CEILING_BYTES):
        return {"refused": True}
    least = least_that(lambda size: model.works(rows[:1], size), CEILING_BYTES)
    np.savez(outputs, *model.run(rows, least))
    return {"arena_bytes": least}


def least_that(works: Callable[[int], bool], known: int) -> int:
    """A number that works while one less does not, by bisection; `known` works and 0 does not."""
    fails = 0
    while known - fails > 1:
        middle = (fails + known) // 2
        if works(middle):
            known = middle
        else:
            fails = middle
    return known


def _rows(path: Path) -> list[list[Array]]:
    with np.load(path, allow_pickle=False) as file:
        stacked = [file[f"arr_{index}"] for index in range(len(file.files))]
    return [[one[at : at + 1] for one in stacked] for at in range(len(stacked[0]))]


if __name__ == "__main__":
    main()
