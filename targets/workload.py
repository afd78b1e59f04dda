"""What an artifact asks of a device as its file tells: tensors, operators in order, MACs. Models.

Nothing here is measured. The peak of activations and the energy rank artifacts and say what to
expect of a device that can't be measured; a limit is never met by them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Horowitz 2014, "Computing's energy problem", ISSCC, figure 1.1.9: pJ at 45 nm and 0.9 V.
FLOAT_MAC_PJ = 3.7 + 0.9
INTEGER_MAC_PJ = 0.2 + 0.03
DRAM_PJ_PER_BYTE = 640 / 4


@dataclass(frozen=True)
class Tensor:
    """One tensor: its bytes, and whether the file holds its values.

    Attributes:
        size_bytes: with each symbolic size counted once.
        constant: whether the file holds its values.
        name: what the runtime calls it; "" where that is its key.
        shape: a symbolic size is -1; None where the file does not tell.
        dtype: in numpy's terms; "" where the file does not tell.
    """

    size_bytes: int
    constant: bool = False
    name: str = ""
    shape: tuple[int, ...] | None = None
    dtype: str = ""


@dataclass(frozen=True)
class Operator:
    """One operator as the file has it.

    Attributes:
        type: its kind, in the format's own word; of a custom one the name that it is known by.
        inputs: the tensors that it reads.
        outputs: the tensors that it writes.
        macs: its multiply-accumulates.
        integer: whether it multiplies integers.
        name: what the runtime calls it; "" where it has none.
        domain: where its kind is defined; "" is the format itself.
        permutation: the order of axes that a transpose gives; () where it is computed.
    """

    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    macs: int = 0
    integer: bool = False
    name: str = ""
    domain: str = ""
    permutation: tuple[int, ...] = ()


@dataclass(frozen=True)
class Workload:
    """One inference: operators in the order in which the file has them.

    Attributes:
        tensors: by their key, which operators name them by.
        operators: in order.
        inputs: what is given.
        outputs: what is asked for.
        opsets: the version that the file asks for of each domain of operators.
        ir_version: of the file's own format; 0 where it has none.
        missing: operators that the runtime of this machine has no kernel for; by their names.
    """

    tensors: Mapping[str, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opsets: Mapping[str, int] = field(default_factory=dict)
    ir_version: int = 0
    missing: tuple[str, ...] = ()

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

    def constant_bytes(self) -> int:
        """What the file holds the values of."""
        return sum(one.size_bytes for one in self.tensors.values() if one.constant)

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
