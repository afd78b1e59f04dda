"""Which elements of a weight stay, as part of a plan: bits, packed and compressed."""

import base64
import binascii
import math
import zlib
from collections.abc import Iterable
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from pipeline.prune.settings import Document

Mask = npt.NDArray[np.bool_]
Pattern = Literal["2:4", "4:8"]
Size = Annotated[int, Field(ge=1, le=2**31)]
MOST_ELEMENTS = 2**31
"""Of one weight: as many bytes as a file for any of the runtimes may have."""

_LEVEL = 9  # of zlib


class WeightPlan(Document):
    """One weight: how many of its elements stay and which, or why all do.

    Attributes:
        name: the parameter.
        shape: its shape in the graph that the plan leaves.
        pattern: N:M, where of M neighbours along the input dimension N stay.
        kept: the number of elements that stay.
        mask: one bit per element in row-major order, 1 where it stays; packed by eight, zlib,
            base64. Empty where all stay.
        reason: why all stay.
    """

    name: str
    shape: tuple[Size, ...]
    pattern: Pattern | None
    kept: Annotated[int, Field(ge=1)]
    mask: str
    reason: str | None = None

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.size > MOST_ELEMENTS:
            raise ValueError(f"{self.name}: a weight of more than {MOST_ELEMENTS:,} elements")
        if (int(self.stays().sum()) if self.mask else self.size) != self.kept:
            raise ValueError(f"{self.name}: the mask keeps another number than {self.kept}")
        return self

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def stays(self) -> Mask:
        """Which elements stay, in the weight's shape."""
        if not self.mask:
            return np.ones(self.shape, np.bool_)
        return _unpacked(self.mask, self.size, self.name).reshape(self.shape)


def planned(name: str, mask: Mask, pattern: Pattern | None) -> WeightPlan:
    """The plan that keeps these elements of a weight."""
    bits = zlib.compress(np.packbits(mask.reshape(-1)).tobytes(), _LEVEL)
    text = base64.b64encode(bits).decode("ascii")
    kept = int(mask.sum())
    return WeightPlan(name=name, shape=mask.shape, pattern=pattern, kept=kept, mask=text)


def whole(name: str, shape: tuple[int, ...], reason: str) -> WeightPlan:
    """The plan that keeps all of a weight."""
    kept = math.prod(shape)
    return WeightPlan(name=name, shape=shape, pattern=None, kept=kept, mask="", reason=reason)


def masks_of(plans: Iterable[WeightPlan]) -> dict[str, Mask]:
    """Per weight that loses any, which of its elements stay: what fine-tuning must hold to."""
    return {plan.name: plan.stays() for plan in plans if plan.kept < plan.size}


def _unpacked(text: str, size: int, name: str) -> Mask:
    """No more is unpacked than the shape has room for, whatever a file holds."""
    expected = (size + 7) // 8
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), expected)
    except (binascii.Error, ValueError, zlib.error) as fault:
        raise ValueError(f"{name}: the mask can't be unpacked: {fault}") from fault
    if len(packed) != expected:
        raise ValueError(f"{name}: the mask has {len(packed)} bytes, not {expected}")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).astype(np.bool_)
