"""A package's files, whole and signed; ways to forge them; and what verify says of them."""

import json
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline import verify
from pipeline.package.archive import tar_gz
from pipeline.package.contents import common, sealed
from pipeline.package.manifest import Runtime, checksums
from pipeline.package.signing import SigningKey, VerifyingKey
from pipeline.verify import Asked
from pipeline.verify_view import Verified

Files = dict[str, bytes]
MINE, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([one]) * 32) for one in (1, 2))
TODAY = date(2026, 6, 1)


@pytest.fixture(scope="session")
def keys() -> SimpleNamespace:
    """A key that signs, its public half, and a stranger's."""
    return SimpleNamespace(
        mine=MINE,
        public=VerifyingKey(MINE.public_key()),
        strange=OTHER,
        stranger=VerifyingKey(OTHER.public_key()),
        today=TODAY,
    )


@pytest.fixture(scope="session")
def seal() -> Callable[..., Files]:
    """Makes a package's files of a delivery."""
    return sealed_files


@pytest.fixture(scope="session")
def files(made, deliver) -> Files:
    """An unsigned package's files."""
    return sealed_files(deliver(made))


@pytest.fixture(scope="session")
def signed(made, deliver) -> Files:
    """A package's files, signed until today."""
    return sealed_files(deliver(made), SigningKey(MINE, TODAY.isoformat()))


def sealed_files(delivery, signer: SigningKey | None = None) -> Files:
    runtime = Runtime(name="onnxruntime", distribution="onnxruntime", least_version="1")
    return sealed(
        delivery, common(delivery, []), platform="linux", runtime=runtime, usage="", signer=signer
    )


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Verified]:
    """What verify finds out of files that are packed as a .tar.gz."""

    def tell(files: Files, key: VerifyingKey | None = None, required: bool = False) -> Verified:
        path = tmp_path / "p.tar.gz"
        path.write_bytes(tar_gz("p", files))
        return verify.verified(path, Asked(key, required, TODAY))

    return tell


@pytest.fixture(scope="session")
def reseal() -> Callable[..., Files]:
    """Makes a forged package's digests fit its files, after a change of its manifest."""

    def make(
        files: Files,
        change: Callable[[dict], object] = lambda _: None,
        signer: SigningKey | None = None,
    ) -> Files:
        manifest = json.loads(files["manifest.json"])
        for one in manifest["files"]:
            content = files[one["path"]]
            one |= {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
        change(manifest)
        content = json.dumps(manifest).encode()
        return with_manifest(files, content, signer.sign(content) if signer else None)

    return make


@pytest.fixture(scope="session")
def other_manifest() -> Callable[..., Files]:
    """Gives files another manifest, and the checksum that fits it."""
    return with_manifest


def with_manifest(files: Files, manifest: bytes, signature: bytes | None = None) -> Files:
    signature = signature or files.get("manifest.json.sig")
    seals = {"manifest.json": manifest}
    if signature is not None:
        seals["manifest.json.sig"] = signature
    digests = {name: sha256(one).hexdigest() for name, one in seals.items()}
    return {**files, **seals, "manifest.json.sha256": checksums(digests)}
