"""What a run keeps of an artifact besides its file: its interface, and golden vectors.

They lie in contracts/RUNTIME of the run's folder, so that packages are made without the task.
"""

from itertools import count
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from pipeline.package.contents import golden_files
from pipeline.package.golden import Golden
from pipeline.package.interface import Interface
from pipeline.workspace import atomic_write
from targets.errors import ArtifactError

FOLDER = "contracts"
INTERFACE = "interface.json"
KINDS = ("source", "input", "output")


def keep(folder: Path, interface: Interface, golden: Golden) -> None:
    """Writes interface.json and the golden vectors into a folder that is there."""
    for name, content in golden_files(golden).items():
        atomic_write(folder / name, content)
    atomic_write(folder / INTERFACE, interface.model_dump_json(indent=2) + "\n")


def read(folder: Path) -> tuple[Interface, Golden]:
    """What `keep` wrote.

    Raises ArtifactError where it is not there, as in a run of an older edgesmith, or is damaged.
    """
    path = folder / INTERFACE
    try:
        interface = Interface.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            f"{path}: can't be read ({error.strerror}); run the recipe again: what is finished is "
            "kept, and this is written beside it"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "document"
        raise ArtifactError(f"{path}: {key}: {first['msg']}; run the recipe again") from error
    arrays = {kind: _arrays(folder, kind) for kind in KINDS}
    return interface, Golden(arrays["input"], arrays["output"], sources=arrays["source"])


def _arrays(folder: Path, kind: str) -> tuple[np.ndarray, ...]:
    """source-0.npy, source-1.npy and so on, as long as there are any."""
    found: list[np.ndarray] = []
    for index in count():
        path = folder / f"{kind}-{index}.npy"
        if not path.is_file():
            return tuple(found)
        try:
            found.append(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"{path}: no .npy file of numbers: {error}") from error
    raise AssertionError("count() never ends")
