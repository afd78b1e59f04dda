import math

import numpy as np
import pytest

from pipeline.cost.additive import Additive, Sample
from pipeline.cost.sites import Extent, Kind

CONV = Kind(
    name="conv", operator="conv2d", axes=2,
    work=(Extent(count=9216.0, axes=(0, 1)),), read=(Extent(count=1024.0, axes=(0,)),),
    written=(Extent(count=1024.0, axes=(1,)),), matrices=(Extent(count=9.0, axes=(1, 0)),),
)  # fmt: skip
ODD = CONV.model_copy(update={"name": "odd"})
KINDS = {"conv": CONV, "odd": ODD}


def cost(kind: str, widths: tuple[float, ...]) -> float:
    """Tiles of 16 out, linear in; the odd kind takes twice as long, and a bump at 24."""
    a, b = widths
    plain = 0.004 + 2e-5 * a * math.ceil(b / 16) * 16
    return plain if kind == "conv" else 2 * plain * (1.3 if b == 24 else 1.0)


def drawn(count: int, seed: int) -> list[Sample]:
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        sites = tuple(
            (kind, tuple(map(float, generator.choice([8, 16, 24, 32], 2))))
            for kind in ("conv", "conv", "conv", "odd", "odd")
        )  # fmt: skip
        value = 0.05 + sum(cost(*site) for site in sites)
        samples.append(Sample(sites, value * (1 + 0.002 * generator.standard_normal()), 0.003))
    return samples


def test_totals_are_taken_apart() -> None:
    fitted = Additive(KINDS, drawn(40, 0))
    for one in drawn(40, 1):
        assert fitted.total(one.sites) == pytest.approx(one.value, rel=0.03)


def test_a_cost_is_never_negative() -> None:
    fitted = Additive(KINDS, drawn(8, 0))
    grid = np.array([[a, b] for a in range(1, 65, 7) for b in range(1, 65, 7)], np.float64)
    assert (fitted.of("odd", grid) >= 0).all()


def test_a_kind_that_was_never_seen_costs_what_its_like_costs() -> None:
    samples = drawn(40, 0)
    only = [
        Sample(tuple(s for s in one.sites if s[0] == "conv"),
               0.05 + sum(cost(*s) for s in one.sites if s[0] == "conv"), 0.003)
        for one in samples
    ]  # fmt: skip
    fitted = Additive(KINDS, only)
    at = np.array([[16.0, 32.0]])
    assert fitted.of("odd", at)[0] == pytest.approx(fitted.of("conv", at)[0], rel=0.3)


def test_a_window_has_a_constant_of_its_own() -> None:
    """Its inputs are converted, which no whole model pays for."""
    windows = [
        Sample((("conv", (16.0, float(b))),), 0.4 + cost("conv", (16.0, float(b))), 0.003, "window")
        for b in (8, 16, 24, 32)
    ]
    fitted = Additive(KINDS, [*drawn(40, 0), *windows])
    assert fitted.constant < 0.1
    for one in drawn(20, 2):
        assert fitted.total(one.sites) == pytest.approx(one.value, rel=0.03)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Additive(KINDS, [])
    with pytest.raises(ValueError, match="must be positive"):
        Additive(KINDS, [Sample((), 0.0)])
    with pytest.raises(ValueError, match="unknown kind: pool"):
        Additive(KINDS, [Sample((("pool", ()),), 1.0)])
