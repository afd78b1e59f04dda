"""Signatures of manifests: Ed25519 (RFC 8032), by keys in PEM files.

    openssl genpkey -algorithm ed25519 -out key.pem       the key that signs, which stays secret
    openssl pkey -in key.pem -pubout -out public.pem      its public half, which is handed out

The signature covers manifest.json, which names every other file by its sha256 and says until when
it counts. It proves something only to who has the public key from elsewhere than the package.
"""

import re
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from targets.errors import UsageError

_MOST_BYTES = 64 * 1024  # of a key's file
_MAKE = "openssl genpkey -algorithm ed25519 -out key.pem"
_PUBLISH = "openssl pkey -in key.pem -pubout -out public.pem"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs manifests, and how long what it signs now shall count.

    Attributes:
        key: the key.
        not_after: the last day, in UTC, as YYYY-MM-DD; None for no end.
    """

    key: Ed25519PrivateKey
    not_after: str | None = None

    @property
    def key_id(self) -> str:
        """The sha256 of the public key's 32 bytes, in hex."""
        return _key_id(self.key.public_key())

    def sign(self, content: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self.key.sign(content)


@dataclass(frozen=True)
class VerifyingKey:
    """A public key that the user trusts."""

    key: Ed25519PublicKey

    @property
    def key_id(self) -> str:
        """The sha256 of its 32 bytes, in hex."""
        return _key_id(self.key)

    def made(self, signature: bytes, content: bytes) -> bool:
        """Whether the signature is this key's, over exactly this content."""
        try:
            self.key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


def signing_key(path: Path, not_after: str | None = None) -> SigningKey:
    """The private key in a PEM file (PKCS #8, not encrypted).

    Raises UsageError for a file that is none, an encrypted one, a key of another kind, and a day
    that is none. A day in the past is no error: an old package is made again with its own.
    """
    if not_after is not None and last_day(not_after) is None:
        raise UsageError(f"--not-after: found '{not_after}'; allowed: a day as YYYY-MM-DD")
    pem = _read(path, "to sign")
    if any(mark in pem for mark in _ENCRYPTED):
        cure = f"openssl pkey -in {path} -out key.pem"
        raise UsageError(f"{path}: the key is encrypted; decrypt it where you sign: {cure}")
    if b"PRIVATE KEY-----" not in pem and b"PUBLIC KEY-----" in pem:
        raise UsageError(f"{path}: a public key, which can't sign; give the private one")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "private", _MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _another_kind(path, key)
    return SigningKey(key, not_after)


def verifying_key(path: Path) -> VerifyingKey:
    """The public key in a PEM file (SubjectPublicKeyInfo).

    Raises UsageError for a file that is none, a private key, and a key of another kind.
    """
    pem = _read(path, "to verify by")
    if b"PRIVATE KEY-----" in pem:
        raise UsageError(
            f"{path}: a private key, which only signs and stays secret; give its public half: "
            f"{_PUBLISH}"
        )
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "public", _PUBLISH) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _another_kind(path, key)
    return VerifyingKey(key)


def last_day(text: str) -> date | None:
    """The day that YYYY-MM-DD names, or None for any other text."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _key_id(key: Ed25519PublicKey) -> str:
    return sha256(key.public_bytes_raw()).hexdigest()


def _read(path: Path, purpose: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: no key {purpose} can be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path}: no key: longer than {_MOST_BYTES:,} bytes")
    return content


def _no_key(path: Path, kind: str, cure: str) -> UsageError:
    return UsageError(f"{path}: no {kind} key in PEM; one is made by: {cure}")


def _another_kind(path: Path, key: object) -> UsageError:
    kind = type(key).__name__.strip("_").removesuffix("PublicKey").removesuffix("PrivateKey")
    return UsageError(f"{path}: a key for {kind}; needed is Ed25519: {_MAKE}")
