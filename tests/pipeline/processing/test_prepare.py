"""The reference against torch, and against the definitions written out sample by sample."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.processing.before import (
    CenterCrop,
    Expand,
    Fit,
    Layout,
    Level,
    LogMel,
    Normalize,
    Resize,
    Scale,
)
from pipeline.processing.log_mel import bank
from pipeline.processing.prepare import prepare
from pipeline.processing.sources import Audio, Image, Values

RGB = Image(color="rgb")
SIZES = st.integers(1, 20)
RATE = 8_000
MAP = LogMel(
    window=256, hop=128, transform=512, bands=32, lowest_hz=60, highest_hz=4000, floor=1e-4
)


def pixels(height: int, width: int, channels: int = 3, count: int = 2) -> np.ndarray:
    drawn = np.random.default_rng(height * 100 + width)
    return drawn.integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def by_torch(images: np.ndarray, height: int, width: int, **how) -> np.ndarray:
    first = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    resized = functional.interpolate(first, (height, width), **how)
    return resized.permute(0, 2, 3, 1).numpy()


@given(SIZES, SIZES, SIZES, SIZES)
def test_bilinear_is_torchs(height: int, width: int, to_height: int, to_width: int):
    images = pixels(height, width)
    found = prepare(images, RGB, [Resize(height=to_height, width=to_width)])
    expected = by_torch(images, to_height, to_width, mode="bilinear", align_corners=False)
    # torch finds the place in float32: off by 2^-23 of at most 20, times a step of at most 255
    np.testing.assert_allclose(found, expected, atol=255 * 20 * 2**-22)


@given(SIZES, SIZES)
def test_nearest_is_the_pixel_below_the_centre(size: int, wanted: int):
    images = np.arange(size, dtype=np.uint8).reshape(1, size, 1, 1)
    source = Image(color="gray", height=size, width=1)
    found = prepare(images, source, [Resize(height=wanted, width=1, method="nearest")])
    centres = [(2 * i + 1) * size / (2 * wanted) for i in range(wanted)]  # exact below 2^53
    assert found.ravel().tolist() == [int(centre) for centre in centres]


def test_a_crop_takes_the_middle():
    images = pixels(7, 6)
    found = prepare(images, RGB, [CenterCrop(height=4, width=3)])
    np.testing.assert_array_equal(found, images[:, 1:5, 1:4].astype(np.float32))


@pytest.mark.parametrize("turned", [False, True])
def test_scale_and_normalize_go_by_channel(turned: bool):
    images = pixels(4, 5)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    steps = [Scale(factor=1 / 255), Normalize(mean=mean, std=std)]
    layout = Layout(to="CHW")
    order = [layout, *steps] if turned else [*steps, layout]
    found = prepare(images, RGB, order)
    expected = (images / 255.0 - mean) / std
    assert found.dtype == np.float32
    # three roundings of values up to 3: 3 ulp of 4
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=3 * 4 * 2**-24)


def test_layout_back_and_forth_changes_nothing():
    images = pixels(4, 5)
    found = prepare(images, RGB, [Layout(to="CHW"), Layout(to="HWC")])
    np.testing.assert_array_equal(found, images)


def test_without_operations_values_stay_as_they_are():
    ids = np.arange(6).reshape(1, 6)
    found = prepare(ids, Values(shape=(6,), dtype="int64"), [])
    assert found is ids


def test_level_makes_loudness_one_and_leaves_silence():
    audio = np.stack([np.zeros(64), np.full(64, 0.25), np.linspace(-1, 1, 64)]).astype(np.float32)
    found = prepare(audio, Audio(rate_hz=RATE), [Level()])
    assert not found[0].any()
    np.testing.assert_allclose(np.sqrt(np.mean(found[1:] ** 2, axis=1)), 1, rtol=1e-6)


@pytest.mark.parametrize(("length", "wanted"), [(5, 8), (8, 5), (5, 5), (4, 9), (9, 4)])
def test_fit_keeps_the_middle(length: int, wanted: int):
    audio = np.arange(1, length + 1, dtype=np.int16)[None]
    found = prepare(audio, Audio(rate_hz=RATE, dtype="int16"), [Fit(samples=wanted)])[0] * 32768
    before = abs(wanted - length) // 2
    whole = np.arange(1, length + 1, dtype=np.float32)
    padded = np.concatenate([np.zeros(before), whole, np.zeros(wanted)])[:wanted]
    expected = padded if wanted >= length else whole[before : before + wanted]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("hann", ["symmetric", "periodic"])
def test_log_mel_is_what_it_says(hann: str):
    audio = np.random.default_rng(1).normal(size=(2, 700)).astype(np.float32)
    settings = MAP.model_copy(update={"hann": hann})
    found = prepare(audio, Audio(rate_hz=RATE), [settings, Expand(axis=0)])
    assert found.shape == (2, 1, 4, 32)
    window = torch.hann_window(256, periodic=hann == "periodic", dtype=torch.float64)
    weights = window.numpy()
    for sample in range(2):
        for frame in range(4):
            part = audio[sample, frame * 128 : frame * 128 + 256] * weights
            powers = [  # the transform written out
                abs(np.sum(part * np.exp(-2j * np.pi * k * np.arange(256) / 512))) ** 2 / 256
                for k in range(257)
            ]
            expected = np.log(bank(settings, RATE) @ powers + 1e-4)
            # float32 holds a logarithm up to 10 within 2^-21
            np.testing.assert_allclose(found[sample, 0, frame], expected, atol=2**-21)


def test_a_tone_is_heard_in_its_band():
    times = np.arange(1024) / RATE
    tones = np.stack([np.sin(2 * np.pi * hertz * times) for hertz in (300, 1000, 3000)])
    maps = prepare(tones.astype(np.float32), Audio(rate_hz=RATE), [MAP])
    loudest = maps.mean(axis=1).argmax(axis=1)
    mels = 2595 * np.log10(1 + np.array([300, 1000, 3000]) / 700)
    ends = 2595 * np.log10(1 + np.array([60, 4000]) / 700)
    bands = (mels - ends[0]) / (ends[1] - ends[0]) * 33 - 1
    assert np.abs(loudest - bands).max() <= 1  # a tone between two bands is louder in either


def test_bands_of_the_bank_have_sum_one():
    np.testing.assert_allclose(bank(MAP, RATE).sum(axis=1), 1)
