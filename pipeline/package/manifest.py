"""manifest.json: what a package holds, and all that an app must know to use it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pipeline.package.interface import InputPort, Interface, OutputPort
from pipeline.report.document import MeasurementSummary, Reading, RowVerdict, Unavailable

Platform = Literal["android", "ios", "linux", "mcu"]
NAME = "manifest.json"
CHECKSUM = f"{NAME}.sha256"
SIGNATURE = f"{NAME}.sig"
UNSIGNED = Unavailable(
    unavailable="not signed: the checksums find damage, not a forged manifest with forged files"
)
REPLAY = "replay/replay.json"
NO_RECORD = Unavailable(unavailable="the run kept no record of how the artifact came about")


class Section(BaseModel):
    """One object of the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class File(Section):
    """A file of the package; the path is relative to the manifest."""

    path: str
    sha256: str
    size_bytes: int


class Model(Section):
    """The model: the file to load, and digest and size over all its files."""

    path: str
    format: str
    sha256: str
    size_bytes: int


class Runtime(Section):
    """What runs the model. The least version is the one it was checked with; older is untried."""

    name: str
    distribution: str
    least_version: str


class Vector(Section):
    """A golden array: real values, samples stacked on axis 0. Inputs have no tolerance."""

    path: str
    tolerance: float | None = None


class Vectors(Section):
    """The golden vectors; the tolerance is the largest absolute difference of any value.

    `sources` are what the app has of the same samples, before preprocessing; empty where the task
    declares none.
    """

    samples: int
    sources: tuple[Vector, ...] = ()
    inputs: tuple[Vector, ...]
    outputs: tuple[Vector, ...]


class Parent(Section):
    """The dense model that the artifact was made from, exported for the same runtime."""

    name: str
    sha256: str
    size_bytes: int
    metrics: dict[str, Reading]
    per_class: dict[str, Reading]


class Origin(Section):
    """Where the artifact comes from.

    Attributes:
        recipe: its name.
        device: the profile that it was measured and judged for.
        tools: versions of what made it, by name.
        parent: None where the dense model was not measured on this runtime.
    """

    recipe: str
    device: str
    tools: dict[str, str]
    parent: Parent | None


class Signed(Section):
    """How manifest.json is signed: manifest.json.sig holds 64 bytes over its bytes.

    The key is named, not carried: a key that comes with what it signed proves nothing.

    Attributes:
        key_id: the sha256 of the public key's 32 bytes, in hex.
        not_after: the last day on which the signature counts, YYYY-MM-DD; None for no end.
    """

    algorithm: Literal["ed25519"] = "ed25519"
    key_id: str
    not_after: str | None = None


class Manifest(Section):
    """The whole. `files` lists every file of the package but the manifest, its checksum and its
    signature.

    Attributes:
        class_name, inputs, outputs: the interface that every API of the package is made from.
        per_class: the metric by class.
        replay: the path of the record by which `edgesmith replay` makes the artifact again.
        details: what only this platform has, such as the arena of a microcontroller.
    """

    format: Literal["edgesmith-package"] = "edgesmith-package"
    schema_version: Literal[1] = 1
    id: str
    name: str
    description: str
    made_by: str
    platform: Platform
    model: Model
    runtime: Runtime
    class_name: str
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    golden: Vectors
    metrics: dict[str, Reading]
    per_class: dict[str, Reading] = Field(default_factory=dict)
    origin: Origin | None = None
    measurement: MeasurementSummary
    verdict: RowVerdict
    lineage: tuple[str, ...]
    replay: str | Unavailable = NO_RECORD
    details: dict[str, JsonValue] = Field(default_factory=dict)
    signature: Signed | Unavailable = UNSIGNED
    files: tuple[File, ...]

    @property
    def interface(self) -> Interface:
        """The interface, whole."""
        return Interface(class_name=self.class_name, inputs=self.inputs, outputs=self.outputs)


def listed(files: Mapping[str, bytes]) -> tuple[File, ...]:
    """The files as the manifest lists them, sorted by path."""
    return tuple(
        File(path=path, sha256=sha256(files[path]).hexdigest(), size_bytes=len(files[path]))
        for path in sorted(files)
    )


def checksums(digests: Mapping[str, str]) -> bytes:
    """manifest.json.sha256, as `sha256sum --check` reads it.

    Args:
        digests: the sha256, in hex, of the manifest and, where there is one, its signature, by
            their names: damage of what the manifest can't list is found without a key.
    """
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
