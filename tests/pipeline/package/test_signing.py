"""Keys from files that openssl made, and every other kind of file that is not such a key."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as serial
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.package.signing import last_day, signing_key, verifying_key
from targets.errors import UsageError

PEM, PKCS8, PLAIN = serial.Encoding.PEM, serial.PrivateFormat.PKCS8, serial.NoEncryption()
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNED_NOTHING = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
"""Test 1 of RFC 8032, 7.1."""


@pytest.fixture
def pem(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        (tmp_path / "some.pem").write_bytes(content)
        return tmp_path / "some.pem"

    return write


def private_pem(key: object = None, encryption: serial.KeySerializationEncryption = PLAIN) -> bytes:
    key = key or Ed25519PrivateKey.from_private_bytes(SECRET)
    return key.private_bytes(PEM, PKCS8, encryption)


def public_pem(key: object = None) -> bytes:
    key = key or Ed25519PrivateKey.from_private_bytes(SECRET)
    return key.public_key().public_bytes(PEM, serial.PublicFormat.SubjectPublicKeyInfo)


def test_the_signature_is_rfc_8032s(pem):
    signer = signing_key(pem(private_pem()), "2030-12-31")
    assert signer.sign(b"") == SIGNED_NOTHING
    assert signer.key_id == hashlib.sha256(PUBLIC).hexdigest()
    assert signer.not_after == "2030-12-31"


def test_only_the_same_key_and_content_verify(pem):
    key = verifying_key(pem(public_pem()))
    assert key.key_id == hashlib.sha256(PUBLIC).hexdigest()
    assert key.made(SIGNED_NOTHING, b"")
    assert not key.made(SIGNED_NOTHING, b"x")
    assert not key.made(SIGNED_NOTHING[:-1] + b"x", b"")
    assert not key.made(b"", b"")
    assert not verifying_key(pem(public_pem(Ed25519PrivateKey.generate()))).made(
        SIGNED_NOTHING, b""
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl; apt install openssl")
def test_keys_that_openssl_makes_as_the_documentation_says(tmp_path: Path):
    for command in (
        "openssl genpkey -algorithm ed25519 -out key.pem",
        "openssl pkey -in key.pem -pubout -out public.pem",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    signer, key = signing_key(tmp_path / "key.pem"), verifying_key(tmp_path / "public.pem")
    assert signer.key_id == key.key_id
    assert key.made(signer.sign(b"content"), b"content")


def test_a_file_that_is_no_private_key(pem, tmp_path: Path):
    encrypted = private_pem(encryption=serial.BestAvailableEncryption(b"secret"))
    other = private_pem(rsa.generate_private_key(65537, 1024))
    refused = {
        "the key is encrypted; decrypt it": encrypted,
        "needed is Ed25519": other,
        "a public key, which can't sign": public_pem(),
        "no private key in PEM; one is made by: openssl genpkey": b"hello",
        "longer than 65,536 bytes": b"x" * 70_000,
    }
    for told, content in refused.items():
        with pytest.raises(UsageError, match=told):
            signing_key(pem(content))
    with pytest.raises(UsageError, match="no key to sign can be read: No such file"):
        signing_key(tmp_path / "none.pem")
    with pytest.raises(UsageError, match="Is a directory"):
        signing_key(tmp_path)


def test_a_file_that_is_no_public_key(pem, tmp_path: Path):
    refused = {
        "a private key, which only signs": private_pem(),
        "needed is Ed25519": public_pem(rsa.generate_private_key(65537, 1024)),
        "no public key in PEM": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "no public key in PEM; one": b"",
    }
    for told, content in refused.items():
        with pytest.raises(UsageError, match=told):
            verifying_key(pem(content))
    with pytest.raises(UsageError, match="no key to verify by can be read"):
        verifying_key(tmp_path / "none.pem")


@pytest.mark.parametrize("text", ["tomorrow", "2030-02-30", "20300101", "2030-W01-1", "", "2030"])
def test_a_last_day_that_is_none(text: str, pem):
    assert last_day(text) is None
    with pytest.raises(UsageError, match="a day as YYYY-MM-DD"):
        signing_key(pem(private_pem()), text)
