"""Training put down after an epoch and taken up again: one file, written whole or not at all.

The file is safetensors: weights, the best weights so far, the optimiser's memory and the states of
all generators as tensors, the rest as JSON among its metadata. Nothing in it is ever unpickled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pipeline.disk import atomic_write
from pipeline.recover.history import Epoch, Rates
from targets.errors import ArtifactError

FILE = "training.safetensors"
_KEY = "progress"


class Progress(BaseModel):
    """How far training has come.

    Attributes:
        history: the epochs that are done, epoch 0 first.
        best: the number of the best of them.
        rates: the learning rates so far.
        seconds: spent on training.
        validation_s: what one pass over the validation split took.
        count: the training split's batches.
        held: whether they are few enough to be held for an epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    history: tuple[Epoch, ...] = Field(min_length=2)
    best: int = Field(ge=0)
    rates: Rates
    seconds: float = Field(ge=0)
    validation_s: float = Field(ge=0)
    count: int = Field(ge=1)
    held: bool


@dataclass(frozen=True)
class Checkpoint:
    """Progress, and tensors by the name of what they are part of: `weights.conv.weight`."""

    progress: Progress
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, under their names in it."""
        start = f"{name}."
        return {
            key.removeprefix(start): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(start)
        }

    def save(self, folder: Path) -> None:
        """Writes the file, in the place of the one before. Raises EnvironmentFault."""
        own = {name: one.detach().contiguous().clone() for name, one in self.tensors.items()}
        metadata = {_KEY: self.progress.model_dump_json()}
        atomic_write(folder / FILE, save(own, metadata))


def parts(**named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of several parts, each under its part's name and its own."""
    return {f"{part}.{name}": one for part, own in named.items() for name, one in own.items()}


def load(folder: Path) -> Checkpoint | None:
    """What was put down last; None where nothing was.

    Raises:
        ArtifactError: the file is damaged or no checkpoint.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            progress = Progress.model_validate_json((opened.metadata() or {}).get(_KEY, ""))
            names = opened.keys()
            return Checkpoint(progress, {name: opened.get_tensor(name) for name in names})
    except (OSError, SafetensorError, ValidationError) as error:
        told = str(error).splitlines()[0]
        raise ArtifactError(
            f"{path}: not a checkpoint of this training: {told}; remove it to begin anew"
        ) from error
