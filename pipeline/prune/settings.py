"""What a plan was asked for."""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from targets.errors import UsageError

Importance = Literal["magnitude", "l2", "batchnorm", "taylor", "activation", "obs", "random"]
Strategy = Literal["uniform", "global", "sensitivity"]
Precision = Literal["fp32", "int8"]
TARGETS = ("ratio", "macs", "params", "size_bytes", "limits")
Share = Annotated[float, Field(gt=0, le=1)]
Bound = Annotated[int, Field(ge=1)] | Share
Bounds = tuple[Bound, Bound]


class Document(BaseModel):
    """A part of a plan's file: frozen, of exact types, without keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Settings(Document):
    """What was asked for: one target, and how to get there.

    Attributes:
        ratio: the share of each group's channels to remove; by the strategies that tell groups
            apart, the share of all channels that may go.
        macs: the share of the multiply-accumulates to keep.
        params: the share of the trained parameters to keep.
        size_bytes: the most bytes that the trained parameters may take, at this `precision`: four
            each in fp32; in int8 one for those of two dimensions or more (weights, embeddings) and
            four for the others (biases, norms). A file has its graph besides.
        limits: by the name of a limit, the most that a cost model may charge: of a device's
            latency, memory and the like. The other targets are counted, these were predicted.
        strategy: `uniform` takes the same share of every group; `global` compares channels over
            all groups, by importance per cost; `sensitivity` finds the widths of least divergence.
        multiple: kept widths are multiples of it where the group is wider than that.
        keep: patterns of groups or parameters that stay whole.
        bounds: by pattern, the least and the most of a group to keep: whole numbers are channels,
            fractions are shares. Of several patterns that match, the last counts. Bounds go
            before multiples.
    """

    ratio: Annotated[float, Field(ge=0, lt=1)] | None = None
    macs: Share | None = None
    params: Share | None = None
    size_bytes: Annotated[int, Field(ge=1)] | None = None
    limits: dict[str, float] | None = None
    precision: Precision = "fp32"
    importance: Importance = "magnitude"
    strategy: Strategy = "uniform"
    multiple: Annotated[int, Field(ge=1)] = 1
    keep: tuple[str, ...] = ()
    bounds: dict[str, Bounds] = {}

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if sum(getattr(self, name) is not None for name in TARGETS) != 1:
            raise ValueError(f"give exactly one of {', '.join(TARGETS)}")
        for pattern, (least, most) in self.bounds.items():
            if isinstance(least, int) is isinstance(most, int) and least > most:
                raise ValueError(f"bounds of {pattern}: {least} is more than {most}")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Plans that were not made for limits read as they did before there were any."""
        document: dict[str, object] = handler(self)
        if self.limits is None:
            del document["limits"]
        return document

    @property
    def target(self) -> str:
        """The name of the one target: ratio, macs, params, size_bytes or limits."""
        return next(name for name in TARGETS if getattr(self, name) is not None)


def settings_of(asked: dict[str, object]) -> Settings:
    """Checked settings. Raises UsageError naming the key, what is wrong and what was found."""
    try:
        return Settings.model_validate(asked)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(map(str, first["loc"])) or "prune"
        raise UsageError(f"{key}: {first['msg']}, found {first['input']!r}") from fault
