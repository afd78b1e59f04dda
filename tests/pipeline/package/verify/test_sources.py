"""The preprocessing that a manifest states, done to the golden sources."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.package.golden import npy
from pipeline.processing.before import Scale
from pipeline.processing.sources import Values

SOURCES = np.arange(32, dtype=np.uint8).reshape(8, 4)
STEPS = {
    "preprocess": (Scale(factor=0.125, offset=-1),),
    "source": Values(shape=(4,), dtype="uint8"),
}


@pytest.fixture(scope="session")
def prepared(made, deliver, seal):
    """A package's files, whose inputs are made of bytes."""
    artifact, golden = made
    inputs = SOURCES.astype(np.float32) * np.float32(0.125) - 1
    spec = artifact.inputs[0]
    levels = artifact.outputs[0].encode(np.maximum(spec.decode(spec.encode(inputs)), 0))
    outputs = artifact.outputs[0].decode(levels)
    shown = replace(golden, inputs=(inputs,), outputs=(outputs,), sources=(SOURCES,))
    delivery = deliver(made, golden=shown)
    entry = delivery.interface.inputs[0].model_copy(update=STEPS)
    interface = delivery.interface.model_copy(update={"inputs": (entry,)})
    return seal(replace(delivery, interface=interface))


def told(found) -> str:
    return "\n".join(map(str, found.differences))


def test_preprocessing_that_leads_to_the_golden_inputs_holds(prepared, look):
    assert "golden/source-0.npy" in prepared
    assert look(prepared).holds


def change(manifest: dict, **changes) -> None:
    manifest["inputs"][0]["preprocess"][0].update(changes)


@pytest.mark.parametrize(
    ("forge", "expected"),
    [
        (
            lambda m: change(m, factor=0.25),
            "source-0.npy leads to 'x' 0.375 from golden/inp",
        ),
        (lambda m: m["inputs"][0].update(preprocess=[]), "source-0.npy leads to 'x' 3.62 from"),
        (
            lambda m: m["golden"].update(sources=[]),
            "states preprocessing, and has no golden",
        ),
        (
            lambda m: m["inputs"][0].update(preprocess=[{"op": "level"}]),
            "preprocessing of 'x' that can't be done: level can't take values [4]: it takes audio",
        ),
        (
            lambda m: m["inputs"][0].update(preprocess=[{"op": "expand", "axis": 0}]),
            "leads to the shape (1, 4) of 'x', not (4,)",
        ),
        (
            lambda m: m["inputs"][0]["source"].update(dtype="int8"),
            "holds uint8 [4]; 'x' is made of int8 [4]",
        ),
        (
            lambda m: m["golden"].update(sources=2 * m["golden"]["sources"]),
            "has 2 golden sources",
        ),
        (
            lambda m: m["golden"]["sources"][0].update(path="golden/none.npy"),
            "uses 'golden/none.npy', which it does not list",
        ),
    ],
)
def test_preprocessing_that_does_not_is_told(prepared, look, reseal, forge, expected):
    found = look(reseal(prepared, forge))
    assert not found.holds
    assert expected in told(found)


def test_a_source_that_was_changed_is_told(prepared, look, reseal):
    files = {**prepared, "golden/source-0.npy": npy(SOURCES + 1)}
    assert "leads to 'x' 0.125 from golden/input-0.npy" in told(look(reseal(files, lambda m: None)))


def test_fewer_sources_than_inputs_are_told(prepared, look, reseal):
    files = {**prepared, "golden/source-0.npy": npy(SOURCES[:3])}
    assert "has 3 samples of 8" in told(look(reseal(files, lambda m: None)))


WIDE = 2**20


def hostile(files: dict, steps: list[dict], reseal) -> dict:
    """The files with a source of a million values, and these steps from there."""
    wide = {**files, "golden/source-0.npy": npy(np.zeros((8, 1, WIDE, 1), np.uint8))}
    source = {"source": "image", "height": 1, "width": WIDE, "color": "gray"}

    def forge(manifest: dict) -> None:
        manifest["inputs"][0].update(preprocess=steps, source=source)

    return reseal(wide, forge)


def test_preprocessing_beyond_memory_is_told(prepared, look, reseal):
    """Each size is small; on the way from the one to the other, 4 TB."""
    steps = [{"op": "resize", "height": WIDE, "width": 1, "method": "nearest"}]
    found = look(hostile(prepared, steps, reseal))
    assert told(found) == (
        "manifest.json states preprocessing that can't be done within 8 s and 1.5 GB"
    )


@pytest.mark.slow
def test_preprocessing_without_end_is_told(prepared, look, reseal):
    step = {"op": "resize", "height": 2048, "width": 2048, "method": "bilinear"}
    steps = [{**step, "height": 1}, *[step] * 1000]
    assert "can't be done within 8 s" in told(look(hostile(prepared, steps, reseal)))
