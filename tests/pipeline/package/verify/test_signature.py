"""Signed, unsigned, expired, forged: what each says, with and without a key to judge it by."""

from datetime import date
from pathlib import Path

import pytest

from pipeline import verify
from pipeline.package.archive import tar_gz
from pipeline.package.signing import SigningKey
from pipeline.verify import Asked
from pipeline.verify_view import Verified
from targets.errors import UsageError

Files = dict[str, bytes]


def told(found: Verified) -> str:
    return "\n".join(map(str, found.differences))


def test_a_signature_by_the_key_holds_on_its_last_day(signed: Files, look, keys):
    found = look(signed, keys.public, True)
    assert found.holds
    assert (found.signature.status, found.signature.not_after) == ("valid", "2026-06-01")
    assert found.ran.samples == 8


def test_an_expired_signature_fails_with_and_without_a_key(signed: Files, tmp_path: Path, keys):
    path = tmp_path / "p.tar.gz"
    path.write_bytes(tar_gz("p", signed))
    for key in (keys.public, None):
        found = verify.verified(path, Asked(key, today=date(2026, 6, 2)))
        assert told(found) == "signature counted until 2026-06-01; today is 2026-06-02"
        assert found.ran.runtime == ""


def test_a_last_day_can_not_be_changed(signed: Files, look, reseal, keys):
    later = reseal(signed, lambda m: m["signature"].update(not_after="2099-01-01"))
    assert "is not what key" in told(look(later, keys.public))
    never = reseal(signed, lambda m: m["signature"].update(not_after="never"))
    assert "which is no day" in told(look(never, keys.public))


def test_another_key_is_told(signed: Files, look, keys):
    found = look(signed, keys.stranger)
    assert f"is by key {keys.public.key_id}; yours is {keys.stranger.key_id}" in told(found)
    assert found.ran.runtime == ""


def test_a_strangers_signature_under_the_trusted_keys_name(signed: Files, look, reseal, keys):
    forged = reseal(signed, signer=SigningKey(keys.strange))
    assert f"is not what key {keys.public.key_id} makes of this" in told(look(forged, keys.public))


def test_a_signature_can_not_be_taken_off(signed: Files, files: Files, look, keys):
    without = {name: one for name, one in signed.items() if name != "manifest.json.sig"}
    assert "manifest.json.sig is missing, though" in told(look(without))
    assert told(look(files, keys.public, True)) == (
        "signature is required, and the package is not signed"
    )


def test_a_signature_that_the_manifest_does_not_know(files: Files, look, other_manifest):
    found = look(other_manifest(files, files["manifest.json"], b"\0" * 64))
    assert told(found).startswith("manifest.json.sig is there, though manifest.json says")


def test_a_signature_of_another_length(signed: Files, look):
    for content in (b"", b"\0" * 65):
        assert "a signature has 64" in told(look({**signed, "manifest.json.sig": content}))


def test_without_a_key_a_signature_is_only_told(signed: Files, look, keys):
    found = look(signed)
    assert found.holds
    assert (found.signature.status, found.signature.key_id) == ("unjudged", keys.public.key_id)


def test_a_required_signature_needs_a_key(signed: Files, files: Files, look, keys):
    with pytest.raises(
        UsageError, match=f"signed by key {keys.public.key_id}; to judge that, give"
    ):
        look(signed, None, True)
    assert "is required" in told(look(files, None, True))
