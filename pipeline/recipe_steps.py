"""The steps of a recipe and their settings, as frozen values."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.recipe_quantize import Quantize
from pipeline.recipe_recover import Recover
from pipeline.recipe_section import Section
from pipeline.recipe_source import ALTERNATIVES

PRUNING_MODES = ALTERNATIVES["prune"]

Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Importance = Literal["magnitude", "l2", "batchnorm", "taylor", "activation", "obs", "random"]
Strategy = Literal["uniform", "global", "sensitivity"]
Repair = Literal["least-squares", "batchnorm", "none"]
Granularity = Literal["channel", "block", "weight"]
MODES: dict[Granularity, tuple[str, ...]] = {
    "channel": ("to", "ratio", "macs", "params", "size_bytes"),
    "block": ("to", "ratio", "macs"),
    "weight": ("ratio", "pattern"),
}
"""The modes that say how much of each kind is to go."""
WITHOUT: dict[Granularity, tuple[str, ...]] = {
    "channel": (),
    "block": ("importance", "strategy", "multiple", "bounds"),
    "weight": ("importance", "multiple", "bounds"),
}
"""Settings that mean nothing there: giving one is a mistake."""
MULTIPLE = 8
"""Where a recipe says nothing."""
Bound = (
    Annotated[int, Field(ge=1, description="channels")]
    | Annotated[float, Field(gt=0, le=1, description="a share")]
)


def _ascending(pair: tuple[float, ...]) -> tuple[float, ...]:
    """Two bounds, the least first. A share and a number of channels can't be compared here."""
    if len(pair) != 2 or (
        isinstance(pair[0], int) is isinstance(pair[1], int) and pair[0] > pair[1]
    ):
        raise PydanticCustomError(
            "bounds", "found {found}; allowed: [least, most]", {"found": str(list(pair))}
        )
    return pair


Bounds = Annotated[tuple[Bound, ...], Field(strict=False), AfterValidator(_ascending)]


class Schedule(Section):
    """Pruning in rounds: each prunes a part of the way, and is followed by the recover step."""

    steps: int = Field(
        default=1, ge=1, le=100, description="Rounds of prune and recover; 1 prunes at once."
    )


class Prune(Section):
    """Remove channels, blocks or single weights, by exactly one mode that says how much."""

    granularity: Granularity = Field(
        default="channel",
        description="What goes: 'channel', channels, heads and widths, and with 'to: budget' "
        "blocks beside them; 'block', whole residual branches and blocks, by their measured "
        "divergence; 'weight', single weights: a file compresses better, few runtimes get faster.",
    )
    to: Literal["budget"] | None = Field(
        default=None,
        description="'budget': what meets the budget as measured on the device, at the least "
        "divergence from the dense outputs.",
    )
    ratio: Share | None = Field(
        default=None,
        description="The share of each group's channels to remove, between 0 and 1; by the "
        "strategies that tell groups apart, of all channels; else of the blocks or the weights.",
    )
    macs: Share | None = Field(
        default=None,
        description="The share of the dense model's multiply-accumulates to keep, in (0, 1).",
    )
    params: Share | None = Field(
        default=None,
        description="The share of the dense model's trained parameters to keep, in (0, 1).",
    )
    size_bytes: int | None = Field(
        default=None,
        ge=1,
        description="The most bytes of the trained parameters alone: 4 each; where the recipe "
        "quantizes, 1 for weights and 4 for biases and norms. Files hold their graph besides.",
    )
    pattern: Literal["2:4", "4:8"] | None = Field(
        default=None, description="Of 4 (8) neighbouring weights, 2 (4) stay; for single weights."
    )
    importance: Importance = Field(
        default="magnitude",
        description="How channels are ranked: by their weights (magnitude, l2), their batch "
        "norm's scale (batchnorm), on calibration data (taylor, activation, obs), or at random.",
    )
    strategy: Strategy = Field(
        default="uniform",
        description="How widths are chosen: 'uniform', the same share of every group; 'global', "
        "by importance per cost over all groups; 'sensitivity', the least divergence from the "
        "dense outputs, measured on the calibration split for each group and width.",
    )
    repair: Repair = Field(
        default="least-squares",
        description="What the calibration split makes good before any training: 'least-squares' "
        "fits the layers that read removed channels, 'batchnorm' estimates statistics anew.",
    )
    multiple: int = Field(
        default=MULTIPLE,
        ge=1,
        le=1024,
        description="Kept widths are multiples of this, where a group is wide. With 'to: budget' "
        "they are those that the runtime takes well, and of these the multiples of any but 8.",
    )
    keep: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Names of groups, parameters or modules that stay whole; * is any text.",
    )
    bounds: dict[str, Bounds] = Field(
        default_factory=dict,
        description="By name, as in keep: [least, most] of a group to keep; whole numbers are "
        "channels, fractions are shares.",
    )
    schedule: Schedule = Field(
        default=Schedule(), description="In how many rounds of prune and recover."
    )
    share: bool = Field(
        default=False,
        description="With 'to: budget': true, one plan and one recovery meet the limits of all "
        "the recipe's runtimes; false, each runtime has a plan of its own.",
    )

    @model_validator(mode="after")
    def _has_one_mode(self) -> Self:
        given = [mode for mode in PRUNING_MODES if getattr(self, mode) is not None]
        allowed = MODES[self.granularity]
        if len(given) != 1 or given[0] not in allowed:
            of = (
                "" if self.granularity == "channel" else f" where granularity is {self.granularity}"
            )
            raise PydanticCustomError(
                "modes",
                "found {found}; allowed: exactly one of {modes}{of}",
                {"found": " and ".join(given) or "no mode", "modes": ", ".join(allowed), "of": of},
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Settings that would do nothing are refused, so that nobody relies on them."""
        fields = type(self).model_fields
        idle = [
            name
            for name in WITHOUT[self.granularity]
            if getattr(self, name) != fields[name].get_default(call_default_factory=True)
        ]
        if self.granularity == "weight":
            idle += ["strategy: sensitivity"] * (self.strategy == "sensitivity")
            filling = "repair" in self.model_fields_set and self.repair == "least-squares"
            idle += ["repair: least-squares"] * filling
            idle += ["schedule and pattern"] * (self.pattern is not None and self.rounds > 1)
        where = f"where granularity is {self.granularity}"
        if not idle and self.to is not None:
            idle, where = self._idle_by_budget(), "with 'to: budget'"
        if idle:
            raise PydanticCustomError(
                "idle",
                "found {idle}; allowed: without it {where}",
                {"idle": " and ".join(idle), "where": where},
            )
        return self

    def _idle_by_budget(self) -> list[str]:
        """Widths are chosen by measured divergence and cost, all at once, and recovered once."""
        by_importance = self.strategy == "global"
        return ["strategy: global"] * by_importance + ["schedule"] * (self.rounds > 1)

    @property
    def rounds(self) -> int:
        """How many rounds of prune and recover."""
        return self.schedule.steps

    @property
    def mending(self) -> Repair:
        """The repair that takes place: least squares would fill single weights that went."""
        filling = self.granularity == "weight" and self.repair == "least-squares"
        return "none" if filling else self.repair


class Step(Section):
    """One step of the recipe: a mapping with exactly one key, which names it."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    prune: Prune | None = Field(default=None, description="Remove channels.")
    recover: Recover | None = Field(default=None, description="Recover accuracy by fine-tuning.")
    quantize: Quantize | None = Field(default=None, description="Quantize weights and activations.")

    @property
    def name(self) -> str:
        """The step's name: prune, recover or quantize."""
        return next(name for name in STEP_ORDER if getattr(self, name) is not None)

    @property
    def trains(self) -> bool:
        """Whether the step may ask for the training split."""
        return self.recover is not None or (self.quantize is not None and self.quantize.trains)

    @model_validator(mode="before")
    @classmethod
    def _takes_defaults(cls, data: object) -> object:
        """A step without settings, such as `- recover:`, is YAML for one with null."""
        if not isinstance(data, dict):
            return data
        return {name: {} if value is None else value for name, value in data.items()}

    @model_validator(mode="after")
    def _is_one_step(self) -> Self:
        given = [name for name in STEP_ORDER if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "steps",
                "found {found}; allowed: exactly one of {names} in each step",
                {"found": " and ".join(given) or "no step", "names": ", ".join(STEP_ORDER)},
            )
        return self


STEP_ORDER = tuple(Step.model_fields)
