"""What a table of costs is good for: one device, runtime, version, precision and model."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from pipeline.cost.sites import Model, Part
from targets.errors import UsageError


class Key(Part):
    """Everything that a cost depends on besides widths and blocks.

    Attributes:
        device: what the device says of itself: processor, cores, instruction sets, kernel,
            governor.
        runtime: its name.
        runtime_version: as the runtime tells it.
        precision: what the model's weights and activations are.
        activations: the 8-bit type of a quantized model's activations; "float" without.
        threads: how many the runtime may use.
        model: the digest of the whole model's structure; weights don't matter.
    """

    device: Mapping[str, str]
    runtime: str
    runtime_version: str
    precision: Literal["fp32", "int8", "float16", "int8-weights", "int4-weights"]
    activations: str
    threads: int = Field(ge=1)
    model: str

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for the key."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def require(self, other: "Key", place: str) -> None:
        """Raise UsageError, naming each difference, where a table of this key is no table for
        another; `place` says which table."""
        found = list(self.differences(other))
        if found:
            raise UsageError(
                f"{place}: this table of costs is of another {_joined([one for one, _ in found])}: "
                f"{'; '.join(told for _, told in found)}. Measure anew with `edgesmith cost`"
            )

    def differences(self, other: "Key") -> Iterator[tuple[str, str]]:
        """What differs, and how: "runtime_version: table 'a', here 'b'"."""
        names = sorted({*self.device, *other.device})
        for name in names:
            mine, theirs = self.device.get(name), other.device.get(name)
            if mine != theirs:
                yield "device", f"{name}: the table's is {mine!r}, here it is {theirs!r}"
        for name in Key.model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name != "device" and mine != theirs:
                shown = name.replace("_", " ")
                yield shown, f"{shown}: the table's is {mine!r}, here it is {theirs!r}"


def identity(model: Model) -> str:
    """The digest of a model's structure: its groups, blocks and sites."""
    text = json.dumps(model.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _joined(names: list[str]) -> str:
    return " and ".join(dict.fromkeys(names))
