"""Whether a package's files are those that its manifest names, byte for byte."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from pipeline.package import manifest as manifests
from pipeline.package.manifest import File, Manifest
from pipeline.package.opening import Member, Opened
from pipeline.verify_debian import around
from pipeline.verify_difference import Difference
from targets.artifact import digest, files_of
from targets.errors import ArtifactError

MOST_MANIFEST_BYTES = 8 * 1024**2
SEALS = (manifests.NAME, manifests.CHECKSUM, manifests.SIGNATURE)
"""What the manifest can't list: itself, and what is made of it."""


@dataclass(frozen=True)
class Contents:
    """What the files of a package come to; no manifest where it can't be read."""

    manifest: Manifest | None
    differences: tuple[Difference, ...]


def examined(package: Opened) -> Contents:
    """Every file compared with the manifest, and the manifest with its own checksum."""
    if package.files[manifests.NAME].size_bytes > MOST_MANIFEST_BYTES:
        what = f"is longer than {MOST_MANIFEST_BYTES:,} bytes"
        return Contents(None, (Difference(manifests.NAME, what),))
    content = package.files[manifests.NAME].path.read_bytes()
    damage = tuple(_checksums(package))
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        return Contents(None, (*damage, Difference(manifests.NAME, _told(error))))
    differences = (*damage, *_files(package, manifest), *around(package))
    return Contents(manifest, differences or tuple(_model(package, manifest)))


def _checksums(package: Opened) -> Iterator[Difference]:
    """What the manifest can't list has its digests beside it: without a key, all that tells damage
    of the manifest, or of its signature."""
    stated = package.files.get(manifests.CHECKSUM)
    if stated is None:
        yield Difference(manifests.CHECKSUM, "is missing")
        return
    sealed = (manifests.NAME, manifests.SIGNATURE)
    digests = {name: package.files[name].sha256 for name in sealed if name in package.files}
    expected = manifests.checksums(digests)
    content = _start(stated, len(expected) + 1)
    if content == expected:
        return
    wrong = {name: one for name, one in digests.items() if one.encode() not in content}
    for name, found in wrong.items():
        yield Difference(name, f"has sha256 {found}, which {manifests.CHECKSUM} does not state")
    if not wrong:
        yield Difference(manifests.CHECKSUM, f"is not what `sha256sum {' '.join(digests)}` prints")


def _start(member: Member, size_bytes: int) -> bytes:
    with member.path.open("rb") as file:
        return file.read(size_bytes)


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])[:120]
    if key == "schema_version":
        known = Manifest.model_fields["schema_version"].default
        found = repr(first["input"])[:40]
        return f"has schema_version {found}; this edgesmith reads {known}: update it"
    return f"is no manifest: {key or 'document'}: {' '.join(first['msg'].split())[:200]}"


def _files(package: Opened, manifest: Manifest) -> Iterator[Difference]:
    counts = Counter(one.path for one in manifest.files)
    for path in sorted(counts):
        if counts[path] > 1:
            yield Difference(manifests.NAME, f"lists '{path}' {counts[path]} times")
    for path in sorted(set(package.files) - set(counts) - set(SEALS)):
        yield Difference(path, f"is in the package, but not in {manifests.NAME}")
    for one in manifest.files:
        yield from _file(one, package.files.get(one.path))


def _file(stated: File, found: Member | None) -> Iterator[Difference]:
    if found is None:
        yield Difference(stated.path, "is missing")
    elif found.size_bytes != stated.size_bytes:
        what = f"has {found.size_bytes:,} bytes; {manifests.NAME} says {stated.size_bytes:,}"
        yield Difference(stated.path, what)
    elif found.sha256 != stated.sha256:
        what = f"has sha256 {found.sha256}; {manifests.NAME} says {stated.sha256}"
        yield Difference(stated.path, what)


def _model(package: Opened, manifest: Manifest) -> Iterator[Difference]:
    """The model as a whole: all its files are the package's, and have the digest stated."""
    model = manifest.model
    if model.path not in package.files:
        yield Difference(manifests.NAME, f"names '{model.path}' as its model, which it lacks")
        return
    try:
        found = digest(files_of(package.files[model.path].path))
    except ArtifactError as error:
        yield Difference(model.path, f"is not whole: {error}")
        return
    if found != (model.sha256, model.size_bytes):
        what = f"has sha256 {found[0]} over all its files; {manifests.NAME} says {model.sha256}"
        yield Difference(model.path, what)
