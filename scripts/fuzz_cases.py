"""The cases of fuzzing: a damaged model for `check`, or a damaged package for `verify`.

A case follows from the seed and its number alone, so that one that failed can be made again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz_mutations import mutated
from fuzz_packages import ARCHIVES, Files, package_files, resealed, with_manifest
from fuzz_structures import DAMAGES

MODELS: tuple[tuple[str, ...], ...] = (
    *(("net.tflite",), ("int8.tflite",), ("net.onnx",), ("int8.onnx",)),
    *(("net.xml", "net.bin"), ("int8.xml", "int8.bin"), ("large.onnx", "large.onnx.data")),
)
PACKAGED = ("int8.tflite", "net.onnx", "int8.xml")


@dataclass(frozen=True)
class Case:
    """Files, of which `check` or `verify` is given the first."""

    door: str
    files: Files

    @property
    def name(self) -> str:
        """What is given."""
        return next(iter(self.files))

    def write(self, folder: Path) -> Path:
        """Puts the files into a folder; the path of the first."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder / self.name


@dataclass(frozen=True)
class Seeds:
    """What cases are made of: whole models, and the files of whole packages."""

    models: tuple[Files, ...]
    packages: tuple[Files, ...]

    @classmethod
    def read(cls, folder: Path) -> "Seeds":
        """Of the folder that fuzz_seeds filled."""
        models = tuple({name: (folder / name).read_bytes() for name in each} for each in MODELS)
        return cls(models, tuple(package_files(folder / name) for name in PACKAGED))

    def case(self, seed: int, number: int) -> Case:
        """The case of this number: every other five for `check`, the others for `verify`."""
        generator = random.Random(f"{seed} {number}")
        make = KINDS[number % len(KINDS)]
        return make(self, generator)


Kind = Callable[[Seeds, random.Random], Case]


def _model(seeds: Seeds, generator: random.Random) -> Case:
    """One of a model's files is damaged."""
    files = generator.choice(seeds.models)
    return Case("check", _damaged(files, generator.choice(list(files)), generator))


def _lying(seeds: Seeds, generator: random.Random) -> Case:
    """A model's file stays well-formed, and what it says is wrong."""
    files = generator.choice(seeds.models)
    name = next(iter(files))
    changed = DAMAGES[Path(name).suffix](files[name], generator)
    return Case("check", {**files, name: changed})


def _lying_member(seeds: Seeds, generator: random.Random) -> Case:
    """The same, of the model in a package that agrees with it."""
    files = generator.choice(seeds.packages)
    (name,) = (one for one in files if Path(one).suffix in DAMAGES)
    changed = DAMAGES[Path(name).suffix](files[name], generator)
    return _packed(resealed({**files, name: changed}), generator)


def _archive(seeds: Seeds, generator: random.Random) -> Case:
    """The archive's own bytes are damaged."""
    name = generator.choice(list(ARCHIVES))
    content = ARCHIVES[name](generator.choice(seeds.packages))
    return Case("verify", {name: mutated(content, generator)})


def _member(seeds: Seeds, generator: random.Random) -> Case:
    """One file of the package is damaged, and the manifest agrees with it."""
    files = generator.choice(seeds.packages)
    kind = generator.choice(("model/", "model/", "golden/"))
    deep = [name for name in files if name.startswith(kind)]
    return _packed(resealed(_damaged(files, generator.choice(deep), generator)), generator)


def _manifest(seeds: Seeds, generator: random.Random) -> Case:
    """The manifest is damaged, and its checksum agrees with it."""
    files = generator.choice(seeds.packages)
    return _packed(with_manifest(files, mutated(files["manifest.json"], generator)), generator)


def _any_file(seeds: Seeds, generator: random.Random) -> Case:
    """Any file of the package is damaged, and nothing agrees with it."""
    files = generator.choice(seeds.packages)
    return _packed(_damaged(files, generator.choice(sorted(files)), generator), generator)


def _damaged(files: Files, name: str, generator: random.Random) -> Files:
    return {**files, name: mutated(files[name], generator)}


def _packed(files: Files, generator: random.Random) -> Case:
    name = generator.choice(list(ARCHIVES))
    return Case("verify", {name: ARCHIVES[name](files)})


KINDS: tuple[Kind, ...] = (
    *(_model, _lying, _model, _lying, _lying),
    *(_archive, _member, _lying_member, _manifest, _any_file),
)
