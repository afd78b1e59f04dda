"""What verifying found out, for a person and as JSON."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pipeline.package.manifest import Manifest
from pipeline.printing import print_json, visible
from pipeline.verify_difference import Difference
from pipeline.verify_golden import Ran
from pipeline.verify_signature import Signature

NOT_RUN = "not run, since the package is not as it should be"
WORDS = {
    "valid": "by key {key_id}, which is yours",
    "unsigned": "none; its checksums find damage, not a forged manifest with forged files",
    "unjudged": "by key {key_id}, or so it says; to judge that, give --key PUBLIC.pem",
    "wrong": "not as it should be",
}


@dataclass(frozen=True)
class Verified:
    """A package, verified.

    Attributes:
        package: the archive.
        manifest: None where it can't be read.
        files: how many the package has.
        signature: what is known of it.
        ran: what the golden vectors showed.
        differences: everything that is not as it should be; empty where the package holds.
    """

    package: Path
    manifest: Manifest | None
    files: int
    signature: Signature
    ran: Ran
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is different from what it should be."""
        return not self.differences

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "package": str(self.package),
            "id": self.manifest.id if self.manifest else None,
            "platform": self.manifest.platform if self.manifest else None,
            "verified": self.holds,
            "files": self.files,
            "signature": self._signature(),
            "golden": self._golden(),
            "differences": [{"where": one.where, "what": one.what} for one in self.differences],
        }

    def _signature(self) -> dict[str, object]:
        one = self.signature
        return {"status": one.status, "key_id": one.key_id, "not_after": one.not_after}

    def _golden(self) -> dict[str, object]:
        if not self.ran.runtime:
            return {"unavailable": NOT_RUN}
        return {
            "samples": self.ran.samples,
            "runtime": self.ran.runtime,
            "outputs": [
                {"name": one.name, "worst": one.worst, "tolerance": one.tolerance}
                for one in self.ran.outputs
            ],
        }


def show(found: Verified, as_json: bool) -> None:
    """Prints it on stdout."""
    if as_json:
        print_json(found.document())
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in _lines(found):
        console.print(visible(line), markup=False)


def _lines(found: Verified) -> list[str]:
    signature = found.signature
    told = WORDS[signature.status].format(key_id=signature.key_id)
    until = f", until {signature.not_after}" if signature.not_after else ""
    lines = [f"files: {found.files}", f"signature: {told}{until}", f"golden vectors: {_ran(found)}"]
    lines += [f"different: {one}" for one in found.differences]
    count = len(found.differences)
    verdict = "verified" if found.holds else f"not verified: {count} different"
    return [*lines, f"{found.package.name}: {verdict}"]


def _ran(found: Verified) -> str:
    if not found.ran.runtime:
        return NOT_RUN
    outputs = ", ".join(
        f"'{one.name}' within {one.worst:.3g} (allowed {one.tolerance:.3g})"
        for one in found.ran.outputs
    )
    return f"{found.ran.samples} samples with {found.ran.runtime}: {outputs or 'different'}"
