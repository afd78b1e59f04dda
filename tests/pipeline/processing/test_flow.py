import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.processing.before import Preprocess
from pipeline.processing.flow import Misfit, flow
from pipeline.processing.prepare import prepare
from pipeline.processing.sources import Audio, Image, Source, Values

OPERATION: TypeAdapter = TypeAdapter(Preprocess)
SMALL = Image(color="rgb", height=8, width=6)
SOUND = Audio(rate_hz=8000, samples=512)
MAP = {"op": "log_mel", "window": 64, "hop": 32, "transform": 64, "bands": 4}
MAP |= {"lowest_hz": 100, "highest_hz": 4000, "floor": 1e-4}


def operations(*given: dict) -> list[Preprocess]:
    return [OPERATION.validate_python(one) for one in given]


@pytest.mark.parametrize(
    ("source", "given"),
    [
        (SMALL, [{"op": "resize", "height": 3, "width": 4}, {"op": "layout", "to": "CHW"}]),
        (Image(color="gray"), [{"op": "resize", "height": 5, "width": 4}]),
        (SMALL, [{"op": "center_crop", "height": 3, "width": 4}, {"op": "scale", "factor": 2}]),
        (SOUND, [{"op": "level"}, MAP, {"op": "expand", "axis": 2}]),
        (Audio(rate_hz=8000), [{"op": "fit", "samples": 200}, MAP, {"op": "expand"}]),
        (Values(shape=(3,)), [{"op": "normalize", "mean": [1, 2, 3], "std": [1]}]),
    ],
)
def test_shapes_are_those_of_the_arrays(source: Source, given: list[dict]):
    chain = operations(*given)
    sizes = [7 if size < 0 else size for size in source.shape]
    sizes = [500] if source.shape == (-1,) else sizes
    array = np.ones((2, *sizes), source.dtype)
    for count, state in enumerate(flow(source, chain), 1):
        assert prepare(array, source, chain[:count]).shape == (2, *state.shape)


@pytest.mark.parametrize(
    ("source", "given", "told"),
    [
        (SOUND, {"op": "resize", "height": 3, "width": 4}, "can't take audio .512.: it takes an"),
        (SMALL, {"op": "layout", "to": "HWC"}, "as HWC: it takes an image as CHW"),
        (SMALL, {"op": "center_crop", "height": 9, "width": 4}, "smaller than 9 x 4"),
        (Image(color="rgb"), {"op": "center_crop", "height": 9, "width": 4}, "resize first"),
        (SMALL, {"op": "normalize", "mean": [1, 2], "std": [1]}, "mean has 2 numbers; .* 1 or 3"),
        (SMALL, {"op": "level"}, "it takes audio"),
        (Audio(rate_hz=8000), MAP, "fit first"),
        (Audio(rate_hz=8000, samples=10), MAP, "shorter than the window of 64"),
        (SOUND, MAP | {"highest_hz": 5000}, "up to half the rate, 4000"),
        (SOUND, MAP | {"window": 65}, "longer than transform 64"),
        (SOUND, MAP | {"bands": 90}, "90 bands are too many"),
        (SOUND, MAP | {"transform": 2**24}, "251,658,240 values; allowed: at most"),
        (SMALL, {"op": "resize", "height": 10**4, "width": 10**4}, "make 300,000,000 values"),
        (SMALL, {"op": "expand", "axis": 4}, "axis 4; allowed: 0 to 3"),
    ],
)
def test_what_does_not_fit_is_told(source: Source, given: dict, told: str):
    with pytest.raises(Misfit, match=told) as caught:
        flow(source, operations({"op": "scale", "factor": 1}, given))
    assert caught.value.index == 1


@pytest.mark.parametrize(
    "given",
    [
        {"op": "rotate"},
        {"op": "resize", "height": 0, "width": 4},
        {"op": "resize", "height": 4, "width": 4, "method": "cubic"},
        {"op": "scale", "factor": float("nan")},
        {"op": "normalize", "mean": [0], "std": [0]},
        {"op": "normalize", "mean": [], "std": []},
        {"op": "scale", "factor": 1, "colour": "red"},
    ],
)
def test_an_operation_that_is_none_is_refused(given: dict):
    with pytest.raises(ValidationError):
        OPERATION.validate_python(given)
