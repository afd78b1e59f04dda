"""The quantize step's settings, as frozen values."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.recipe_recover import Distill, Recover
from pipeline.recipe_section import Section

Scheme = Literal["int8", "int8-weights", "int4-weights", "float16"]
Mode = Literal["ptq", "qat", "ladder"]
Engine = Literal["unified", "native", "auto"]
Range = Literal["least-squares", "min-max", "percentile", "entropy"]

TRAINED: tuple[Mode, ...] = ("qat", "ladder")
"""Modes that train."""
OF_TRAINING = ("epochs", "learning_rate", "distill", "seed")
OF_RANGES = ("range", "activations", "io")
"""Settings that mean nothing where activations stay float."""
EPOCHS = 4
"""Of quantization-aware training, where neither epochs nor minutes are given."""


class Quantize(Section):
    """Make weights and activations integers."""

    scheme: Scheme = Field(
        default="int8",
        description="'int8': weights and activations in 8 bits, weights per channel. For models of "
        "large products, weights alone: 'int8-weights', 'int4-weights' (in groups). 'float16': "
        "weights stored in half precision. A runtime takes those that it is faster with.",
    )
    mode: Mode = Field(
        default="ptq",
        description="'ptq': ranges are observed on the calibration split, after training. 'qat': "
        "the model is then trained with int8's rounding in it. 'ladder': from ptq over other "
        "ranges, equalization, rounding and float regions to qat, as far as the limits need.",
    )
    engine: Engine = Field(
        default="unified",
        description="'unified': one plan for all runtimes. 'native': each runtime's own tool. "
        "'auto': both, and what measures best within the limits is delivered.",
    )
    range: Range = Field(
        default="least-squares",
        description="How an activation's range follows from what was observed of it: the least "
        "squared error, all of it (min-max), without the rarest 0.01% (percentile), or the least "
        "loss of information (entropy). 'ladder' begins with this one and tries the others.",
    )
    activations: Literal["auto", "int8", "uint8"] = Field(
        default="auto",
        description="The 8-bit type of activations; 'auto': for each runtime the faster one.",
    )
    io: Literal["int8", "float32"] = Field(
        default="int8",
        description="The type of a TFLite file's inputs and outputs; it computes in int8 in any "
        "case. Other runtimes take float32.",
    )
    exclude: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Operators that stay float, by names of nodes or modules, or kinds such as "
        "'hardswish'; * is any text. What has to stay float beside them does too. For engine: "
        "unified and scheme: int8.",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="The time to spend: of 'ladder', for all it makes and measures; of 'qat', for "
        "training, instead of epochs.",
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Passes over the training split, of quantization-aware training; 4 where "
        "nothing is said. The ranges stand still in the second half.",
    )
    learning_rate: float = Field(
        default=5e-4,
        gt=0,
        le=10,
        description="The one-cycle schedule's highest learning rate, of quantization-aware "
        "training.",
    )
    distill: Distill | None = Field(
        default=Distill(),
        description="What quantization-aware training learns from the dense model, besides the "
        "targets; null: nothing.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seeds every random choice of the training."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Settings that can't be followed, or would do nothing, are refused."""
        if self.engine != "unified" and self.mode == "qat":
            _refuse(f"engine: {self.engine} with mode: qat", "native engines don't train: "
                    "mode: ptq, or engine: unified")  # fmt: skip
        if self.engine == "native" and self.mode == "ladder":
            _refuse("engine: native with mode: ladder", "engine: unified or auto, since native "
                    "engines have no rungs")  # fmt: skip
        if self.scheme != "int8" and (self.mode != "ptq" or self.engine != "unified"):
            _refuse(f"scheme: {self.scheme} with mode: {self.mode} and engine: {self.engine}",
                    "mode: ptq and engine: unified, since no range is observed")  # fmt: skip
        if self.mode == "qat" and self.epochs is not None and self.minutes is not None:
            _refuse("epochs and minutes", "exactly one of epochs, minutes")
        for names, idle, where in self._idle():
            if idle and (given := [name for name in names if getattr(self, name) != _usual(name)]):
                _refuse(" and ".join(given), f"without it {where}")
        return self

    def _idle(self) -> tuple[tuple[tuple[str, ...], bool, str], ...]:
        return (
            (OF_TRAINING, self.mode not in TRAINED, f"where mode is {self.mode}"),
            (("minutes",), self.mode not in TRAINED, f"where mode is {self.mode}"),
            (OF_RANGES, self.scheme != "int8", f"where scheme is {self.scheme}"),
            (("range",), self.engine == "native", "where engine is native"),
            (
                ("exclude",),
                self.engine != "unified",
                f"where engine is {self.engine}, since a runtime's own tool decides for itself, or "
                "engine: unified",
            ),
            (
                ("exclude",),
                self.scheme != "int8",
                f"where scheme is {self.scheme}, since only weights are stored otherwise, or "
                "scheme: int8",
            ),
        )

    @property
    def trains(self) -> bool:
        """Whether the training split may be asked for."""
        return self.mode in TRAINED

    @property
    def at_once(self) -> "Quantize":
        """The same without training, search or another engine: what a draft is made by."""
        names = ("mode", "engine", "minutes", *OF_TRAINING)
        return self.model_copy(update={name: _usual(name) for name in names})

    def training(self, minutes: float | None = None) -> Recover:
        """The settings of quantization-aware training: its epochs, or else these minutes.

        In float32, since bfloat16 holds no 256 steps.
        """
        lasting: dict[str, float | None] = {"epochs": self.epochs, "minutes": None}
        if self.epochs is None:
            lasting = {"minutes": minutes} if minutes is not None else {"epochs": EPOCHS}
        return Recover.model_validate(
            {
                **lasting,
                "learning_rate": self.learning_rate,
                "distill": self.distill,
                "precision": "fp32",
                "seed": self.seed,
            }
        )

    @property
    def needs_loss(self) -> bool:
        """Whether it can't do without the task's loss. A ladder without one has a rung less."""
        return self.mode == "qat" and not self.training().learns_from_teacher_alone


def _usual(name: str) -> object:
    return Quantize.model_fields[name].get_default(call_default_factory=True)


def _refuse(found: str, allowed: str) -> None:
    raise PydanticCustomError(
        "idle", "found {found}; allowed: {allowed}", {"found": found, "allowed": allowed}
    )
