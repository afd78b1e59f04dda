"""Where on a device its files go, and what to say where it takes none."""

from dataclasses import dataclass

from targets.errors import DeviceUnreachable, EnvironmentFault

_FULL = b"No space left"


@dataclass(frozen=True)
class Place:
    """What a link needs to know of its device.

    Attributes:
        device: its name, for messages.
        root: the folder there that sessions and kept files are in; may begin with ~/.
        python: the interpreter there.
    """

    device: str
    root: str
    python: str


def no_room(place: Place, told: bytes, wanted: str) -> EnvironmentFault:
    """The error of a script that was refused; `told` is its complaint and what `df -Pk` says."""
    full = _FULL in told
    why = f"the disk is full ({_free(told)})" if full else last_line(told.split(b"Filesystem")[0])
    cure = "free some space there" if full else "change the permissions"
    return EnvironmentFault(
        f"device '{place.device}' can't take {wanted} in {place.root}: {why}; {cure}, or name "
        "another folder in the profile's key 'folder'"
    )


def stalled(device: str, why: TimeoutError) -> DeviceUnreachable:
    """The error of a device that takes too long over what it should do at once."""
    return DeviceUnreachable(
        f"device '{device}' gave {why}: it hangs, or is too busy, or its link is slow; look at it "
        "and try again"
    )


def last_line(stderr: bytes) -> str:
    """What a command said last."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:400] if lines else "it gave no reason"


def _free(told: bytes) -> str:
    """What `df -Pk` says is free (POSIX: the fourth column, in kB of 1,024 bytes)."""
    columns = (told.decode(errors="replace").strip().splitlines() or [""])[-1].split()
    known = len(columns) >= 6 and columns[3].isdigit()
    return f"{int(columns[3]) * 1024 / 1e6:.1f} MB free" if known else "it does not say how full"
