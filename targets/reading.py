"""What a model file declares, read in a process of its own: parsers crash on hostile files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from targets.artifact import RUNTIME_OF_FORMAT, format_of
from targets.errors import ArtifactError
from targets.link.local import Local
from targets.workload import Operator, Tensor, Workload

ERROR = "error"
"""The key of an answer that says why the file can't be read."""
_LEAST_S, _BYTES_PER_S = 10.0, 5e6
_LONGEST_MESSAGE = 300


def read(path: Path) -> Workload:
    """The file's graph, by its format's reader. Nothing of it is run, and no weights are read.

    Raises ArtifactError where it can't be read: the parser refuses it, crashes on it, takes more
    memory or longer than its size lets expect.
    """
    link = Local()
    runtime = RUNTIME_OF_FORMAT[format_of(path)]
    try:
        done = link.run(
            (link.python, "-m", "targets.reading_worker", runtime, str(path.resolve())),
            stdin=b"",
            environment={"PYTHONPATH": link.code, "OMP_NUM_THREADS": "1"},
            timeout_s=_LEAST_S + path.stat().st_size / _BYTES_PER_S,
        )
        answer = json.loads(done.stdout)
        if ERROR not in answer:
            return _workload(answer)
        why = str(answer[ERROR])
    except TimeoutError as error:
        why = str(error)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        why = "its parser broke down"
    raise ArtifactError(f"{path}: its operators can't be read: {_shortened(why)}")


def _workload(told: Mapping[str, Any]) -> Workload:
    return Workload(
        tensors={name: _tensor(one) for name, one in told["tensors"].items()},
        operators=tuple(_operator(one) for one in told["operators"]),
        inputs=tuple(told["inputs"]),
        outputs=tuple(told["outputs"]),
        opsets={str(name): int(number) for name, number in told["opsets"].items()},
        ir_version=int(told["ir_version"]),
        missing=tuple(told["missing"]),
    )


def _tensor(told: Mapping[str, Any]) -> Tensor:
    shape = told["shape"]
    return Tensor(**{**told, "shape": None if shape is None else tuple(shape)})


def _operator(told: Mapping[str, Any]) -> Operator:
    lists = {name: tuple(told[name]) for name in ("inputs", "outputs", "permutation")}
    return Operator(**{**told, **lists})


def _shortened(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
