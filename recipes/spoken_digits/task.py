"""Spoken digits: the model, its data and its loss, as edgesmith asks for them.

The data are the Free Spoken Digit Dataset's recordings in one zip file, 8 kHz WAV files named
`{digit}_{speaker}_{index}.wav`. The recipe holds none of them:

    edgesmith run recipes/spoken_digits --set params.data=PATH/recordings.zip

`split` says what the final figure is of. "official" tests on the recordings 0 to 4 of every digit
and speaker, so each voice was heard in training; 5 to 9 validate. "speaker" tests on a voice that
was never heard: of the speakers in alphabetical order the last, and the one before validates. The
weights are those that train.py made for the split.

`validation` says what a run is judged on: "train", the recordings kept back from training, or
"test". A run chooses its best epoch and its settings by what it is judged on, so "test" is for a
final figure alone, of a recipe that is decided.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import front_end
import torch
from front_end import BANDS, FRAMES, RATE, SILENCE, samples_of
from model import SpokenDigitsNet
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

BATCH = 32
CALIBRATION = 200
LARGEST_FILE = 1_000_000  # bytes of a recording: a minute at 8 kHz
PARTS = {"official": (range(5), range(5, 10)), "speaker": (range(-1, 0), range(-2, -1))}
"""Test and validation: numbers of recordings, or places in the order of the speakers."""

STRETCH, WARP, SHIFT = 0.15, 0.1, 0.15
"""The most that a training map changes: in time and along the bands, and moved in time, as shares
of the map (speed: Ko et al. 2015; voice: Jaitly and Hinton 2013, vocal tract length)."""
LOUDER = 0.3
LOUDEST = 4.0  # about what the maps of loud vowels reach
MASKED_FRAMES, MASKED_BANDS = 12, 6  # of one blot on each axis (Park et al. 2019, SpecAugment)

metrics = ["accuracy"]
preprocess = [
    {"source": "audio", "rate_hz": RATE, "dtype": "int16"},
    {"op": "level"},
    {"op": "fit", "samples": front_end.LENGTH},
    {
        "op": "log_mel",
        "window": front_end.WINDOW,
        "hop": front_end.HOP,
        "transform": front_end.TRANSFORM,
        "bands": BANDS,
        "lowest_hz": front_end.LOWEST_HZ,
        "highest_hz": front_end.HIGHEST_HZ,
        "floor": front_end.QUIETEST,
    },
    {"op": "normalize", "mean": [front_end.MEAN], "std": [front_end.DEVIATION]},
    {"op": "expand"},
]
postprocess = [{"op": "softmax"}, {"op": "top_k", "k": 3, "labels": list("0123456789")}]


@dataclass
class Settings:
    """What configure() was given."""

    data: str | None = None
    split: str = "official"
    validation: str = "train"


settings = Settings()


def configure(data: str | None = None, split: str = "official", validation: str = "train") -> None:
    """data: recordings.zip, or the folder that holds it. split, validation: see above."""
    if data is None:
        raise ValueError(
            "params.data is null; give the zip file of the Free Spoken Digit Dataset's "
            "recordings: --set params.data=PATH/recordings.zip"
        )
    if split not in PARTS:
        raise ValueError(f"params.split: found {split!r}; allowed: {', '.join(PARTS)}")
    if validation not in ("train", "test"):
        raise ValueError(f"params.validation: found {validation!r}; allowed: train, test")
    settings.data, settings.split, settings.validation = data, split, validation
    recordings.cache_clear()
    if not archive().is_file():
        raise FileNotFoundError(f"params.data: {archive()}: no such file; allowed: recordings.zip")


def archive() -> Path:
    """The zip file."""
    given = Path(settings.data or "")
    return given / "recordings.zip" if given.is_dir() else given


def weights() -> Path:
    """The trained weights for the split."""
    return Path(__file__).with_name(f"{settings.split}.safetensors")


def build() -> torch.nn.Module:
    """The trained network."""
    net = SpokenDigitsNet()
    net.load_state_dict(load_file(weights()))
    return net.eval()


def example_inputs() -> tuple[Tensor, ...]:
    """A map as the model takes it, (1, 1, 64, 32): from silence to the loudest."""
    return (torch.linspace(SILENCE, LOUDEST, FRAMES * BANDS).reshape(1, 1, FRAMES, BANDS),)


def batches(split: str) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Recordings, each (samples,) of int16 at 8 kHz, as an app has them, and labels (N,).

    Those of "train" come in an order drawn from torch's random numbers: names go by digit, and a
    batch of one digit teaches little.
    """
    name = "test" if split == "validation" and settings.validation == "test" else split
    samples, labels = part(name)
    count = len(labels)
    order = torch.randperm(count) if split == "train" else torch.arange(count)
    for rows in order.split(BATCH):
        yield [samples[row] for row in rows.tolist()], labels[rows]


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the logits."""
    return functional.cross_entropy(outputs, target)


@dataclass(frozen=True)
class Recordings:
    """All recordings' samples, their digits (N,), and what each file's name says besides."""

    samples: tuple[Tensor, ...]
    digits: Tensor
    speakers: tuple[str, ...]
    numbers: tuple[int, ...]


@cache
def recordings() -> Recordings:
    """Every recording of the archive, in the order of the names."""
    samples, digits, speakers, numbers = [], [], [], []
    try:
        opened = zipfile.ZipFile(archive())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive()}: not a zip file: {error}") from None
    with opened:
        for name in sorted(one for one in opened.namelist() if one.endswith(".wav")):
            digit, speaker, number = named(name)
            if opened.getinfo(name).file_size > LARGEST_FILE:
                raise ValueError(f"{archive()}: {name}: larger than {LARGEST_FILE:,} bytes")
            samples.append(torch.from_numpy(samples_of(opened.read(name), name)))
            digits.append(digit)
            speakers.append(speaker)
            numbers.append(number)
    if not samples:
        raise ValueError(f"{archive()}: holds no recordings; allowed: DIGIT_SPEAKER_INDEX.wav")
    return Recordings(tuple(samples), torch.tensor(digits), tuple(speakers), tuple(numbers))


def named(name: str) -> tuple[int, str, int]:
    """Digit, speaker and number of a recording by its file's name."""
    digit, _, rest = Path(name).stem.partition("_")
    speaker, _, number = rest.rpartition("_")
    if not (digit.isdecimal() and int(digit) < 10 and speaker and number.isdecimal()):
        raise ValueError(f"{archive()}: {name}: found another name than DIGIT_SPEAKER_INDEX.wav")
    return int(digit), speaker, int(number)


def part(name: str) -> tuple[list[Tensor], Tensor]:
    """Samples and labels of a part. Calibration is drawn evenly of the training part."""
    found = recordings()
    everyone = sorted(set(found.speakers))
    if settings.split == "speaker" and len(everyone) < 3:
        raise ValueError(f"{archive()}: {len(everyone)} speakers; the split by speaker needs 3")
    test, validation = (
        {everyone[place] for place in places} if settings.split == "speaker" else set(places)
        for places in PARTS[settings.split]
    )
    keys = found.speakers if settings.split == "speaker" else found.numbers
    of = {"test": test, "validation": validation}.get(name, set(keys) - test - validation)
    rows = [row for row, key in enumerate(keys) if key in of]
    if not rows:
        raise ValueError(f"{archive()}: no recordings for the {settings.split} {name} part")
    if name == "calibration":
        rows = rows[:: max(1, len(rows) // CALIBRATION)][:CALIBRATION]
    return [found.samples[row] for row in rows], found.digits[rows]


def augment(maps: Tensor) -> Tensor:
    """Training maps (N, 1, 64, 32), each stretched, moved, made louder or quieter, and blotted on
    both axes, by torch's random numbers."""
    count, _, frames, bands = maps.shape
    time, pitch = 1 + STRETCH * between(count), 1 + WARP * between(count)
    grid = torch.zeros(count, 2, 3)
    grid[:, 0, 0], grid[:, 1, 1] = pitch, time
    grid[:, 0, 2] = pitch - 1  # the lowest band stays where it is
    grid[:, 1, 2] = 2 * SHIFT * between(count)
    places = functional.affine_grid(grid, list(maps.shape), align_corners=False)
    moved = functional.grid_sample(maps - SILENCE, places, align_corners=False)
    louder = (moved + LOUDER * between(count)[:, None, None, None]).clamp(min=0)
    louder = torch.where(moved > 0, louder, moved)
    blotted = blot(count, frames, MASKED_FRAMES)[:, None, :, None]
    blotted = blotted | blot(count, bands, MASKED_BANDS)[:, None, None, :]
    return louder.masked_fill(blotted, 0) + SILENCE


def between(count: int) -> Tensor:
    """Random numbers (N,) from -1 to 1."""
    return 2 * torch.rand(count) - 1


def blot(count: int, size: int, most: int) -> Tensor:
    """Per row (N, size) one stretch of at most `most` places, anywhere."""
    wide = torch.rand(count, 1) * most
    start = torch.rand(count, 1) * (size - wide)
    places = torch.arange(size)[None]
    return (places >= start) & (places < start + wide)
