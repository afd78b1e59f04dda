"""What linting asks of calibration data: which sample reaches how far, and which channels live.

Streaming: memory holds two numbers and a row of channels per tensor, however many samples pass.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Identity

from pipeline.graph import Graph
from pipeline.quantize import rules
from pipeline.quantize.observe import checked
from pipeline.quantize.prepared import prepare


class Witness(torch.nn.Module):
    """Stands at a tensor, passes it on, and remembers who reached how far.

    Attributes:
        largest: the largest absolute value of any sample, and of any other sample.
        sample: the number of the sample that reached the largest.
        reach: the largest absolute value after 1, 2, 4, ... samples.
        living: per channel (dimension 1) whether any value was not 0; None where the tensor is
            neither images nor features.
        batch: how many samples the next values are of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.largest = (0.0, 0.0)
        self.sample = 0
        self.reach: list[float] = []
        self.living: Tensor | None = None
        self.batch = 1
        self._seen = 0

    def forward(self, values: Tensor) -> Tensor:
        """Returns the values (N, ...) as they are."""
        sizes = values.detach().abs()
        if sizes.dim() and len(sizes) == self.batch:  # else the batch is merged with another
            for reached in sizes.reshape(len(sizes), -1).amax(1).tolist():
                self._take(reached)
        if sizes.dim() in (2, 4):
            living = sizes.transpose(0, 1).flatten(1).amax(1) > 0
            self.living = living if self.living is None else self.living | living
        return values

    def _take(self, reached: float) -> None:
        first, second = self.largest
        if reached > first:
            self.largest, self.sample = (reached, first), self._seen
        else:
            self.largest = first, max(second, reached)
        self._seen += 1
        if self._seen & (self._seen - 1) == 0:  # a power of two
            self.reach.append(self.largest[0])


@dataclass(frozen=True)
class Seen:
    """What was witnessed: by the tensor's name, and how many samples there were."""

    samples: int
    tensors: dict[str, Witness]


@torch.no_grad()
def witness(graph: Graph, batches: Iterable[tuple[Tensor, ...]]) -> Seen:
    """Runs calibration data past a witness at every tensor that an operator computes for int8, and
    at the inputs. Raises TaskError for batches that the graph can't take."""
    prepared = prepare(graph.module)
    tensors: dict[str, Witness] = {}
    for place in prepared.activations:
        computed = place.observed.target not in rules.CARRYING
        seen = tensors.setdefault(place.tensor, Witness()) if computed else Identity()
        prepared.replace(place, seen)
    samples = 0
    for inputs in checked(graph, batches):
        for one in tensors.values():
            one.batch = len(inputs[0])
        prepared.module(*inputs)
        samples += len(inputs[0])
    return Seen(samples, tensors)
