"""The spoken-digits recipe, on an archive of short tones."""

import io
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.processing.prepare import prepare
from pipeline.task import load
from targets.errors import TaskError

FOLDER = Path(__file__).parents[2] / "recipes" / "spoken_digits"
SPLITS = ("train", "calibration", "validation")
SPEAKERS = ("ann", "bob", "cyd", "dora")
RATE = 8_000


def wav(samples, rate=RATE, channels=1, width=2):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as opened:
        opened.setframerate(rate)
        opened.setnchannels(channels)
        opened.setsampwidth(width)
        opened.writeframes(samples.astype("<i2").tobytes())
    return stream.getvalue()


def tone(hertz, seconds=0.2, loudness=0.5):
    angles = 2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE
    return np.round(32_000 * loudness * np.sin(angles)).astype(np.int16)


def write(file, speakers=SPEAKERS, count=12, **others):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("README.md", "recordings")
        for place, speaker in enumerate(speakers):
            for digit in range(10):
                for index in range(count):
                    name = f"recordings/{digit}_{speaker}_{index}.wav"
                    hertz = 200 + 150 * digit + 20 * place + index
                    archive.writestr(name, wav(tone(hertz)))
        for name, content in others.items():
            archive.writestr(name.replace("__", "."), content)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "recordings.zip"
    write(file)
    return file


def task(file, splits=SPLITS, **params):
    return load(FOLDER, "task.py", {"data": str(file), **params}, splits)


def labels_of(task, split):
    return torch.cat([labels for _, labels in task.batches(split)])


def rows_of(task, name):
    """The bytes of every recording of a part."""
    samples, _ = vars(task._module)["part"](name)
    return {one.numpy().tobytes() for one in samples}


@pytest.mark.parametrize("split", ["official", "speaker"])
def test_a_map_in_ten_scores_out(data, split):
    loaded = task(data, split=split)
    (x,) = loaded.example_inputs()
    assert x.shape == (1, 1, 64, 32)
    assert loaded.build()(x).shape == (1, 10)


@pytest.mark.parametrize("split", ["official", "speaker"])
def test_shipped_weights_are_small_and_finite(split):
    file = FOLDER / f"{split}.safetensors"
    assert file.stat().st_size < 60_000
    assert all(torch.isfinite(one).all() for one in load_file(file).values())


def test_the_network_is_the_small_one_of_its_source(data):
    net = task(data).build()
    convolutions = [one for one in net.modules() if isinstance(one, torch.nn.Conv2d)]
    assert sum(one.groups == one.in_channels > 1 for one in convolutions) == 4
    assert sum(one.numel() for one in net.parameters()) < 30_000


def test_the_official_split_goes_by_number(data):
    loaded = task(data)
    counts = {split: len(labels_of(loaded, split)) for split in SPLITS}
    assert counts == {"train": 80, "calibration": 80, "validation": 200}  # 12 less 0-4 less 5-9
    final = task(data, validation="test")
    assert len(labels_of(final, "validation")) == 200
    parts = [rows_of(loaded, name) for name in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 480
    assert rows_of(loaded, "calibration") <= parts[0]


def test_the_other_split_goes_by_speaker(data):
    loaded = task(data, split="speaker")
    counts = {split: len(labels_of(loaded, split)) for split in ("train", "validation")}
    assert counts == {"train": 240, "validation": 120}  # ann and bob; cyd; dora tests
    sources = vars(loaded._module)["recordings"]()
    test = rows_of(loaded, "test")
    heard = {
        speaker
        for speaker, one in zip(sources.speakers, sources.samples, strict=True)
        if one.numpy().tobytes() in test
    }
    assert heard == {"dora"}


def test_training_maps_vary_and_others_do_not(data):
    loaded = task(data)

    def maps(split):
        return torch.cat([maps for (maps,), _ in loaded.batches(split)])

    torch.manual_seed(1)
    first = maps("train")
    assert not torch.equal(first, maps("train"))
    torch.manual_seed(1)
    assert torch.equal(first, maps("train"))
    assert torch.equal(maps("validation"), maps("validation"))
    assert torch.isfinite(first).all()


@pytest.fixture(scope="module")
def front_end(data):
    loaded = task(data)
    return vars(vars(loaded._module)["front_end"])


def test_loudness_changes_nothing(front_end):
    # The level is divided out: float32 rounding of a logarithm's argument is left.
    soft = tone(440, loudness=0.06)
    loud, soft = (front_end["log_mel"](one) for one in (15 * soft, soft))
    assert np.abs(loud - soft).max() < 1e-3


@pytest.mark.parametrize("hertz", [300, 700, 1500, 3000])
def test_a_tone_lies_in_its_band(front_end, hertz):
    found = front_end["log_mel"](tone(hertz, seconds=0.5))
    band = int(found.mean(axis=0).argmax())
    mel = 2595 * np.log10(1 + np.array([60.0, 4000.0, hertz]) / 700)
    place = (mel[2] - mel[0]) / (mel[1] - mel[0]) * 33 - 1
    assert abs(band - place) < 1


@pytest.mark.parametrize("seconds", [0.01, 0.2, 1.04, 3.0])
def test_any_length_makes_one_map(front_end, seconds):
    found = front_end["log_mel"](tone(440, seconds))
    assert found.shape == (64, 32)
    assert found.dtype == np.float32
    if seconds < 1:
        assert found[0].max() == found[-1].max() == pytest.approx(front_end["SILENCE"], abs=1e-6)


def test_silence_is_no_division_by_zero(front_end):
    found = front_end["log_mel"](np.zeros(100, np.int16))
    assert np.allclose(found, front_end["SILENCE"], atol=1e-6)


def test_without_data_it_says_what_to_give(tmp_path):
    with pytest.raises(TaskError, match=r"params\.data is null; .* --set params\.data=PATH"):
        load(FOLDER, "task.py", {"data": None})
    with pytest.raises(TaskError, match=r"recordings\.zip: no such file"):
        task(tmp_path)


def test_the_folder_will_do(data):
    assert len(labels_of(task(data.parent), "validation")) == 200


@pytest.mark.parametrize("params", [{"split": "both"}, {"validation": "all"}])
def test_unknown_settings_are_refused(data, params):
    with pytest.raises(TaskError, match=r"params\.\w+: found '\w+'; allowed: \w+, \w+"):
        task(data, **params)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("1_ann_x__wav", wav(tone(300)), "another name than DIGIT_SPEAKER_INDEX"),
        ("11_ann_3__wav", wav(tone(300)), "another name than DIGIT_SPEAKER_INDEX"),
        ("1_ann_3__wav", b"RIFF", "not a WAV file"),
        ("1_ann_3__wav", wav(tone(300), rate=16_000), "found 16000 Hz, 1 channels, 16 bits"),
        ("1_ann_3__wav", wav(tone(300)[:0]), "holds no samples"),
        ("1_ann_3__wav", b"x" * 2_000_000, "larger than 1,000,000 bytes"),
    ],
    ids=["name", "digit", "bytes", "rate", "empty", "large"],
)
def test_a_damaged_recording_is_named(tmp_path, name, content, told):
    write(tmp_path / "recordings.zip", SPEAKERS[:1], **{name: content})
    with pytest.raises(TaskError, match=told):
        task(tmp_path)


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "recordings.zip").write_bytes(b"no zip")
    with pytest.raises(TaskError, match="not a zip file"):
        task(tmp_path)


def test_parts_without_recordings_are_named(tmp_path):
    write(tmp_path / "recordings.zip", SPEAKERS[:2], count=3)
    with pytest.raises(TaskError, match="no recordings for the official train part"):
        task(tmp_path)
    with pytest.raises(TaskError, match="2 speakers; the split by speaker needs 3"):
        task(tmp_path, split="speaker")


def test_it_is_pruned_and_recovered(data, shrunk):
    dense, kept, done = shrunk(task(data))
    assert 0.5 < kept / dense < 0.7
    assert done.graph.dynamic_batch
    assert done.training.batches == 3  # 80 recordings in batches of 32
    assert "activations relu_8, weight 1" in done.training.distilled


@pytest.mark.parametrize("length", [900, 8_319, 8_320, 12_001])
def test_training_and_apps_have_the_same_maps(data, front_end, length):
    (declared,) = task(data).declared.inputs
    audio = np.random.default_rng(length).normal(0, 3_000, length).astype(np.int16)
    (found,) = prepare(audio[None], declared.source, declared.operations)
    # the level is rounded to float32, relatively 2^-23, which a logarithm adds to 0 to 10
    np.testing.assert_allclose(found[0], front_end["log_mel"](audio), atol=1e-5)
