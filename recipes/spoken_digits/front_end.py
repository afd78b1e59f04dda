"""From recordings to log-mel maps, which are what the network sees.

What task.py declares as `preprocess` makes the same maps, and so does a package's generated API.
This is for training, which needs nothing but the recipe's folder.
"""

import io
import wave

import numpy as np
import numpy.typing as npt

RATE = 8_000  # samples a second
WINDOW, HOP, TRANSFORM = 256, 128, 512  # samples: 32 ms and 16 ms, zero-filled for the transform
FRAMES, BANDS = 64, 32
LENGTH = WINDOW + (FRAMES - 1) * HOP  # samples, 1.04 s: 99% of the recordings are shorter
LOWEST_HZ, HIGHEST_HZ = 60.0, RATE / 2
QUIETEST = 1e-4  # of the loudness of the whole recording; silence lies there
MEAN, DEVIATION = -7.26, 3.10  # of the training maps

Samples = npt.NDArray[np.int16]
Map = npt.NDArray[np.float32]


def samples_of(content: bytes, name: str) -> Samples:
    """The samples of a 16-bit mono WAV file at 8 kHz.

    Raises ValueError, naming the file, for anything else.
    """
    try:
        with wave.open(io.BytesIO(content)) as opened:
            found = opened.getframerate(), opened.getnchannels(), opened.getsampwidth()
            data = opened.readframes(opened.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{name}: not a WAV file: {error}") from None
    if found != (RATE, 1, 2):
        raise ValueError(
            f"{name}: found {found[0]} Hz, {found[1]} channels, {8 * found[2]} bits; "
            f"allowed: {RATE} Hz, 1 channel, 16 bits"
        )
    if not data:
        raise ValueError(f"{name}: holds no samples")
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


def log_mel(samples: Samples) -> Map:
    """The map (FRAMES, BANDS) of a recording of any length and loudness, about 0 ± 1.

    A Hann window's power spectrum in triangular bands of equal width on the mel scale (Davis and
    Mermelstein 1980; the scale is O'Shaughnessy's, 2595 log10(1 + f/700)). The recording lies in
    the middle of the map; what is longer loses both ends.
    """
    real = samples.astype(np.float32) / 32_768
    level = float(np.sqrt(np.mean(np.square(real)))) or 1.0
    placed = _centred(real / level)
    frames = np.lib.stride_tricks.sliding_window_view(placed, WINDOW)[::HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), TRANSFORM)) ** 2 / WINDOW
    bands = np.log(spectrum @ _BANK.T + QUIETEST)
    return ((bands - MEAN) / DEVIATION).astype(np.float32)


SILENCE = (float(np.log(QUIETEST)) - MEAN) / DEVIATION
"""What a map holds where nothing is heard."""


def _centred(samples: Map) -> Map:
    spare = LENGTH - len(samples)
    if spare < 0:
        return samples[-spare // 2 :][:LENGTH]
    return np.pad(samples, (spare // 2, spare - spare // 2))


def _bank() -> npt.NDArray[np.float64]:
    """Triangles (BANDS, TRANSFORM // 2 + 1) of area 1 in units of bins."""
    ends = _mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    edges = 700 * (10 ** (np.linspace(*ends, BANDS + 2) / 2595) - 1) * TRANSFORM / RATE
    bins = np.arange(TRANSFORM // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles / triangles.sum(axis=1, keepdims=True)


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2595 * np.log10(1 + hertz / 700)


_BANK = _bank()
