"""What a quantized graph keeps of itself, and how faithful each runtime's tensors are to it."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from pipeline.fidelity import compare
from pipeline.quantize.layers import Layers, layers
from targets import device, target
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT


@pytest.fixture(scope="module")
def kept(digits) -> Layers:
    return layers(digits.quantized.unfolded, (digits.images[:8],))


def test_every_planned_tensor_is_kept_with_its_scale(digits, kept: Layers) -> None:
    planned = {(one.scale, one.zero_point) for one in digits.quantized.plan.tensors}
    assert {(one.scale, one.zero_point) for one in kept.layers} == planned
    assert {len(one.integers) for one in kept.layers} == {8}
    assert {one.integers.dtype for one in kept.layers} == {np.dtype(np.int8)}


def test_they_come_back_from_disk(kept: Layers, tmp_path: Path) -> None:
    kept.save(tmp_path)
    again = Layers.load(tmp_path)
    np.testing.assert_array_equal(again.samples[0], kept.samples[0])
    for one, other in zip(again.layers, kept.layers, strict=True):
        assert (one.tensor, one.scale) == (other.tensor, other.scale)
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("runtime", list(FORMAT_OF_RUNTIME))
def test_a_runtimes_tensors_are_torchs(digits, kept: Layers, runtime: str, tmp_path: Path) -> None:
    exporter = import_module(f"targets.{runtime}.export")
    form = digits.quantized.folded if exporter.FOLDED else digits.quantized.unfolded
    path = tmp_path / f"model{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"
    exporter.export(form, (digits.images[:1],), path, precision="int8", activations="int8")
    place = target.find(device.load("host"), runtime)
    seen = place.layers(place.describe(path).artifact, kept.samples)
    found = compare(kept.layers, seen.layers)
    # OpenVINO fuses otherwise around what is shown: its last bits may be others then.
    assert seen.same_outputs or runtime == "openvino"
    assert len(found) >= 10  # of 13 convolutions and sums; runtimes fuse some away
    # Ties fall either way: a step in few places, no more than three standard deviations of them.
    assert min(one.sqnr_db for one in found) >= 30
    assert max(one.furthest for one in found) <= 10
