"""A case: all that is known of a model file on a device before anything is measured."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from targets.artifact import RUNTIME_OF_FORMAT, format_of
from targets.device import DeviceProfile
from targets.execution import EIGHT_BIT, Execution
from targets.measurement import ExecutedOp
from targets.target import Description
from targets.workload import Operator, Tensor, Workload

NAMED = 3
"""Operators named in a sentence; a document has all of them."""


@dataclass(frozen=True)
class Case:
    """What rules look at. What could not be had is None, and has its reason.

    Attributes:
        path: the model file.
        profile: of the device.
        work: what the file declares.
        unread: why `work` is None.
        description: what the runtime on the device says of it.
        refused: why the runtime does not take it, where it does not.
        sizes: shapes that were asked for, by input.
        companions: files beside the model that belong to it, but for an .xml's .bin.
    """

    path: Path
    profile: DeviceProfile
    work: Workload | None
    unread: str = ""
    description: Description | None = None
    refused: str = ""
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    companions: tuple[Path, ...] = ()

    @property
    def runtime(self) -> str:
        """The runtime of the file's format."""
        return RUNTIME_OF_FORMAT[format_of(self.path)]

    @property
    def operators(self) -> tuple[Operator, ...]:
        """Those of the file; none where it can't be read."""
        return self.work.operators if self.work else ()

    @property
    def executed(self) -> tuple[ExecutedOp, ...]:
        """Those that the runtime executes; none where it was not asked."""
        return self.description.executed if self.description else ()

    @property
    def execution(self) -> Execution | None:
        """What they come to."""
        return self.description.execution if self.description else None

    @property
    def quantized(self) -> bool:
        """Whether anything computes on 8-bit data."""
        if self.description:
            return any(one.role == "computes" and one.dtype in EIGHT_BIT for one in self.executed)
        return any(one.integer for one in self.operators)

    def tensor(self, key: str) -> Tensor:
        """A tensor of the file; one of which nothing is known where it has none of this key."""
        return self.work.tensors.get(key, Tensor(0)) if self.work else Tensor(0)

    def name(self, key: str) -> str:
        """What the runtime calls a tensor of the file."""
        return self.tensor(key).name or key


def counted(kinds: Iterable[str]) -> str:
    """Kinds with how often each occurs, the most frequent first: "HARD_SWISH (2), SOFTMAX"."""
    found = Counter(kinds).most_common()
    return ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in found)


def named(names: Sequence[str]) -> str:
    """Some names in a sentence: the first few, and how many more there are."""
    told = ", ".join(f"'{name}'" for name in names[:NAMED])
    return told if len(names) <= NAMED else f"{told} and {len(names) - NAMED} more"
