"""`edgesmith verify`: whether a package is whole, whose it is, and does what it says.

In this order, each only where all before it held: the archive keeps the rules, every file is what
manifest.json says, the signature is that of the key given, and the model gives the golden outputs.
So nothing of a package is run that is damaged, or not from whom it should be.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.console import Console
from pipeline.package.opening import Opened, opened
from pipeline.package.signing import VerifyingKey, verifying_key
from pipeline.verify_contents import examined
from pipeline.verify_golden import Ran, run_golden
from pipeline.verify_limited import unlike_in_bounds
from pipeline.verify_signature import Signature, judged
from pipeline.verify_view import Verified, show
from targets.errors import UsageError
from targets.occupancy import Tell, in_silence

FAILED = 3


def verify(package: Path, key: Path | None, require_signature: bool, as_json: bool) -> int:
    """Verifies a package and prints what was found; 0 where all is as it says, else 3.

    Args:
        package: a .zip, .tar.gz or .deb.
        key: a public key in PEM that the user trusts; the package must then be signed by it.
        require_signature: an unsigned package fails.
        as_json: prints one JSON document.

    Raises:
        ArtifactError: the file is no package, or its archive is damaged.
        PackageRefused: its archive breaks the rules, so that it stays closed.
        UsageError: the key's file is none, or a signature is required and there is no key to
            judge it by.
        EnvironmentFault: the model's runtime is missing, or the disk refuses.
    """
    trusted = verifying_key(key) if key else None
    with Console() as console:
        console.step(f"verifying {package.name}")
        asked = Asked(trusted, require_signature or trusted is not None)
        found = verified(package, asked, console.remark)
    show(found, as_json)
    return 0 if found.holds else FAILED


@dataclass(frozen=True)
class Asked:
    """What a package's signature shall be.

    Attributes:
        key: that it is judged by; without one it can't be.
        required: an unsigned package fails.
        today: the day in UTC that a signature's last day is compared with; without it, now's.
    """

    key: VerifyingKey | None = None
    required: bool = False
    today: date | None = None


def verified(package: Path, asked: Asked, say: Tell = in_silence) -> Verified:
    """What verifying a package finds out. Raises as `verify` does.

    Args:
        package: the archive.
        asked: what is asked of its signature.
        say: told where the model has to wait for another job on this machine.
    """
    with opened(package) as found:
        return _examined(package, found, asked, say)


def _examined(package: Path, found: Opened, asked: Asked, say: Tell) -> Verified:
    contents = examined(found)
    today = asked.today or datetime.now(UTC).date()
    signature = judged(found, contents.manifest, asked.key, asked.required, today)
    _refuse_unjudged(package, signature, asked)
    differences = (*contents.differences, *signature.differences)
    ran = Ran()
    if contents.manifest is not None and not differences:
        differences = unlike_in_bounds(found, contents.manifest)
    if contents.manifest is not None and not differences:
        ran = run_golden(found, contents.manifest, say)
    return Verified(
        package=package,
        manifest=contents.manifest,
        files=len(found.files),
        signature=signature,
        ran=ran,
        differences=(*differences, *ran.differences),
    )


def _refuse_unjudged(package: Path, signature: Signature, asked: Asked) -> None:
    """A signature that nobody's key was given for is neither good nor bad."""
    if asked.required and asked.key is None and signature.key_id is not None:
        raise UsageError(
            f"{package}: signed by key {signature.key_id}; to judge that, give the public key that "
            "you have from whom you trust: --key PUBLIC.pem"
        )
