"""Whether a package is signed, by whom, and whether that still counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pipeline.package import manifest as manifests
from pipeline.package.manifest import Manifest, Signed
from pipeline.package.opening import Opened
from pipeline.package.signing import VerifyingKey, last_day
from pipeline.verify_difference import Difference

SIGNATURE_BYTES = 64  # RFC 8032, 5.1.6
UNKNOWN = "the manifest can't be read"

Status = Literal["valid", "unsigned", "unjudged", "wrong"]


@dataclass(frozen=True)
class Signature:
    """What is known of a package's signature.

    Attributes:
        status: "unjudged" where there is one and no key to judge it by.
        key_id: the key that the manifest names; proves nothing by itself. None: unsigned.
        not_after: the last day that it counts on, as the manifest has it.
        differences: why it is not as it should be.
    """

    status: Status
    key_id: str | None = None
    not_after: str | None = None
    differences: tuple[Difference, ...] = ()


def judged(
    package: Opened,
    manifest: Manifest | None,
    key: VerifyingKey | None,
    required: bool,
    today: date,
) -> Signature:
    """The signature judged by a key from elsewhere than the package.

    Args:
        package: what was unpacked.
        manifest: as it was read; None where it can't be.
        key: that the user trusts; without one, a signature is only told of.
        required: an unsigned package is not as it should be.
        today: compared with the last day that the signature counts on.
    """
    stated = manifest.signature if manifest else None
    carried = manifests.SIGNATURE in package.files
    if not isinstance(stated, Signed):
        return _unsigned(manifest, carried, required)
    differences = (*_whole(package, carried), *_expired(stated, today))
    if key and carried and not differences:
        differences = tuple(_forged(package, stated, key))
    status: Status = "wrong" if differences else "valid" if key else "unjudged"
    return Signature(status, stated.key_id, stated.not_after, differences)


def _unsigned(manifest: Manifest | None, carried: bool, required: bool) -> Signature:
    found = []
    if required:
        why = "is required, and the package is not signed" if manifest else f"unknown: {UNKNOWN}"
        found.append(Difference("signature", why))
    if carried and manifest:
        what = f"is there, though {manifests.NAME} says that the package is not signed"
        found.append(Difference(manifests.SIGNATURE, what))
    return Signature("wrong" if found else "unsigned", differences=tuple(found))


def _whole(package: Opened, carried: bool) -> Iterator[Difference]:
    if not carried:
        what = f"is missing, though {manifests.NAME} says that the package is signed"
        yield Difference(manifests.SIGNATURE, what)
    elif package.files[manifests.SIGNATURE].size_bytes != SIGNATURE_BYTES:
        size_bytes = package.files[manifests.SIGNATURE].size_bytes
        what = f"has {size_bytes:,} bytes; a signature has {SIGNATURE_BYTES}"
        yield Difference(manifests.SIGNATURE, what)


def _expired(stated: Signed, today: date) -> Iterator[Difference]:
    if stated.not_after is None:
        return
    last = last_day(stated.not_after)
    if last is None:
        yield Difference("signature", f"counts until '{stated.not_after}', which is no day")
    elif today > last:
        yield Difference("signature", f"counted until {last}; today is {today}")


def _forged(package: Opened, stated: Signed, key: VerifyingKey) -> Iterator[Difference]:
    content, signature = (
        package.files[name].path.read_bytes() for name in (manifests.NAME, manifests.SIGNATURE)
    )
    if key.made(signature, content):
        return
    if stated.key_id != key.key_id:
        yield Difference("signature", f"is by key {stated.key_id}; yours is {key.key_id}")
    else:
        yield Difference(
            "signature", f"is not what key {key.key_id} makes of this {manifests.NAME}"
        )
