"""Images in a zip file, decoded once and kept in the user's cache."""

import hashlib
import io
import os
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

SIDE = 32  # pixels
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
LARGEST_FILE = 100_000  # bytes of an image; one of these has about 1,000
SUFFIXES = (".jpg", ".jpeg", ".png")


def read(archive: Path) -> tuple[Tensor, Tensor]:
    """Pixels (N, 32, 32, 3) of bytes and labels (N,), in the order of the files' names.

    Args:
        archive: holds one folder per class; labels are their places in CLASSES.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"params.data: {archive}: no such file")
    cached = _cache_of(archive)
    try:
        found = load_file(cached)
        return found["pixels"], found["labels"]
    except (OSError, SafetensorError, KeyError):
        pixels, labels = decode(archive)  # not there yet, or damaged
    _keep(cached, pixels, labels)
    return pixels, labels


def decode(archive: Path) -> tuple[Tensor, Tensor]:
    """Pixels and labels, from the archive itself."""
    try:
        opened = zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: not a zip file: {error}") from None
    with opened:
        names = sorted(one for one in opened.namelist() if one.lower().endswith(SUFFIXES))
        labels = _labels(archive, names)
        pixels = [_pixels(opened, name, archive) for name in names]
    return torch.stack(pixels), labels


def _labels(archive: Path, names: list[str]) -> Tensor:
    folders = [Path(name).parent.name for name in names]
    if set(folders) != set(CLASSES):
        shown = ", ".join(sorted(set(folders))[: len(CLASSES)]) or "none"
        raise ValueError(
            f"{archive}: images lie in the folders {shown}; allowed: one per class, "
            f"{', '.join(CLASSES)}"
        )
    return torch.tensor([CLASSES.index(folder) for folder in folders])


def _pixels(opened: zipfile.ZipFile, name: str, archive: Path) -> Tensor:
    if opened.getinfo(name).file_size > LARGEST_FILE:
        raise ValueError(f"{archive}: {name}: larger than {LARGEST_FILE:,} bytes")
    try:
        with Image.open(io.BytesIO(opened.read(name)), formats=("JPEG", "PNG")) as image:
            if image.size != (SIDE, SIDE):
                raise ValueError(f"{archive}: {name}: {image.size} pixels; allowed: {(SIDE, SIDE)}")
            data = image.convert("RGB").tobytes()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{archive}: {name}: no image that can be read: {error}") from None
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(SIDE, SIDE, 3)


def _cache_of(archive: Path) -> Path:
    """The cached file's name says which archive it is of, and which version of it."""
    state = archive.stat()
    key = f"{archive.resolve()} {state.st_size} {state.st_mtime_ns}".encode()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = f"{archive.stem}-{hashlib.sha256(key).hexdigest()[:16]}.safetensors"
    return Path(home) / "cifar10-jpeg" / name


def _keep(cached: Path, pixels: Tensor, labels: Tensor) -> None:
    """Whole or not at all. Without room for it every process decodes anew, and is told so."""
    partial = cached.with_suffix(f".{os.getpid()}.part")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        save_file({"pixels": pixels, "labels": labels}, partial)
        partial.replace(cached)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        print(f"{cached}: decoded images can't be kept: {error}", file=sys.stderr)
