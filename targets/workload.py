"""What an artifact asks of a device as its file tells: tensors, operators in order, MACs. Models.

Nothing here is measured. The peak of activations and the energy rank artifacts and say what to
expect of a device that can't be measured; a limit is never met by them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Horowitz 2014, "Computing's energy problem", ISSCC, figure 1.1.9: pJ at 45 nm and 0.9 V.
FLOAT_MAC_PJ = 3.7 + 0.9
INTEGER_MAC_PJ = 0.2 + 0.03
DRAM_PJ_PER_BYTE = 640 / 4


@dataclass(frozen=True)
class Tensor:
    """One tensor: its bytes, and whether the file holds its values."""

    size_bytes: int
    constant: bool = False


@dataclass(frozen=True)
class Operator:
    """One operator: the names of what it reads and writes; `integer` where it multiplies so."""

    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    macs: int = 0
    integer: bool = False


@dataclass(frozen=True)
class Workload:
    """One inference: operators in the order in which the file has them."""

    tensors: Mapping[str, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, of convolutions and matrix products."""
        return sum(one.macs for one in self.operators)

    def peak_activation_bytes(self) -> int:
        """The most bytes of activations alive at once.

        An activation lives from the operator that writes it to the last that reads it; inputs from
        the start, outputs to the end. No operator works in place and none needs scratch memory:
        runtimes do both, so the truth may be on either side.
        """
        last = self._last_reads()
        alive = {name: self._size(name) for name in self.inputs}
        peak = sum(alive.values())
        for step, operator in enumerate(self.operators):
            alive.update({name: self._size(name) for name in operator.outputs})
            peak = max(peak, sum(alive.values()))
            alive = {name: size for name, size in alive.items() if last.get(name, step) > step}
        return peak

    def energy_mj(self) -> float:
        """MACs, and every operator's operands moved from and to DRAM once, in mJ."""
        picojoules = math.fsum(
            one.macs * (INTEGER_MAC_PJ if one.integer else FLOAT_MAC_PJ)
            + DRAM_PJ_PER_BYTE * self._moved(one)
            for one in self.operators
        )
        return picojoules / 1e9

    def _last_reads(self) -> dict[str, int]:
        reads = {name: step for step, one in enumerate(self.operators) for name in one.inputs}
        return {**reads, **dict.fromkeys(self.outputs, len(self.operators))}

    def _size(self, name: str) -> int:
        tensor = self.tensors[name]
        return 0 if tensor.constant else tensor.size_bytes

    def _moved(self, operator: Operator) -> int:
        names = {*operator.inputs, *operator.outputs}
        return sum(self.tensors[name].size_bytes for name in names)


def elements(shape: Iterable[int]) -> int:
    """How many numbers a shape holds; a symbolic dimension counts once, as a batch of 1."""
    return math.prod(max(1, size) for size in shape)
