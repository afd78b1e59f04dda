"""What is asked of a device's shell: fixed one-line scripts for POSIX sh, toybox and busybox.

Only names of our own making and quoted words go into them; all else travels through stdin.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from targets.errors import UsageError
from targets.link.session_name import FORM

GONE = 125
"""Exit code of a script that found its session's folder missing."""

REFUSED = 73
"""Exit code of a script that could not make or write a file; what `df` tells is on stderr."""

GOODBYE = "bye"
"""What a keeper is told at the end of a session that went well."""

KEPT_LIMIT_BYTES = 256_000_000
"""Files kept for the next session go when they are more than this."""

_OWN = re.compile(r"[A-Za-z0-9/_.-]+")


def own(path: str) -> str:
    """The path, if it is fit to stand in a script. Raises UsageError for any other character."""
    if _OWN.fullmatch(path) and ".." not in path.split("/") and not path.startswith("-"):
        return path
    raise UsageError(
        f"'{path}' can't be a path on a device; allowed: letters, digits and / _ . -, no '..'"
    )


def keep(root: str, session: str) -> str:
    """Opens a session and stays until its stdin ends; then nothing of the session is left.

    Prints "ready", the root's real path, the kernel's boot id, `BYTES SHA256` of every file kept
    from before, `session NAME` of every other session, and an empty line. Sessions whose keeper is
    gone are removed first. Where stdin ends without the goodbye, the link was lost: what was kept
    for later goes, too. Where no folder can be made it prints "refused", why, and what `df` tells.
    """
    name = own(session)
    refuse = f'{{ echo refused; echo "$e"; df -Pk .; echo; rm -rf {name}; exit {REFUSED}; }}'
    return "; ".join(
        (
            "trap '' HUP INT PIPE TERM",
            "umask 077",
            f"e=$(mkdir -p {_root(root)}/kept 2>&1) && cd {_root(root)} || {refuse}",
            _STOP,
            _SWEEP,
            _FORGET_TOO_MUCH,
            f"k=$(cat {name}/keeper 2>/dev/null) && kill -9 $k; stop {name}",
            f"e=$({{ mkdir -p {name} && echo $$ > {name}/keeper; }} 2>&1) || {refuse}",
            "echo ready",
            "pwd -P",
            "cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown",
            'for f in kept/*; do [ -f "$f" ] && echo "$(wc -c < "$f") ${f#kept/}"; done',
            f"for d in $({_SESSIONS}); do [ $d = {name} ] || echo session $d; done",
            "echo",
            "read word",
            f'[ "$(cat {name}/keeper 2>/dev/null)" = $$ ] || exit 0',
            f"stop {name}",
            f"rm -rf {name}",
            f'[ "$word" = {GOODBYE} ] || {_OTHERS} || rm -rf kept',
            "rmdir kept 2>/dev/null",
            f"cd / && rmdir {_root(root)} 2>/dev/null",
        )
    )


# Only what has the form of our names: whatever else is there is not ours to remove.
_SESSIONS = f"ls -d s-* 2>/dev/null | grep -xE '{FORM}'"

_OTHERS = f'[ "$({_SESSIONS})" ]'

# Ends the command that a session left running: its group, and itself where it leads none.
_STOP = (
    "stop() { p=$(cat $1/running 2>/dev/null) && "
    "{ kill -9 -$p 2>/dev/null; kill -9 $p 2>/dev/null; rm -f $1/running; }; }"
)

# A keeper that lives has its session's name in its command line; a number alone may be another's.
_SWEEP = (
    f"for d in $({_SESSIONS}); do "
    "[ -d $d ] || continue; k=$(cat $d/keeper 2>/dev/null); "
    "grep -q $d /proc/${k:-none}/cmdline 2>/dev/null && continue; "
    "p=$(cat $d/running 2>/dev/null); "
    '[ "$p" ] && [ "$(readlink /proc/$p/cwd)" = "$(pwd -P)/$d" ] && stop $d; '
    "rm -rf $d; done"
)

_FORGET_TOO_MUCH = (
    f'{_OTHERS} || [ "$(du -sk kept | cut -f1)" -lt {KEPT_LIMIT_BYTES // 1024} ] || rm -f kept/*'
)


def discard(root: str, session: str) -> str:
    """Removes a session whose owner is known to be gone, though its keeper has not noticed."""
    name = own(session)
    end = f"k=$(cat {name}/keeper 2>/dev/null) && kill -9 $k; stop {name}; rm -rf {name}"
    return f"cd {own(root)} || exit 0; {_STOP}; {end}"


def upload(folder: str, name: str) -> str:
    """Writes stdin to a file of the session and prints its sha256, or its size without that tool.

    A file is there whole or not at all.
    """
    made = own(name)
    part = f"{made}.part"
    write = f"mkdir -p {_parent(made)} && cat > {part} && mv -f {part} {made}"
    refuse = f"{{ df -Pk . >&2; rm -f {part}; exit {REFUSED}; }}"
    return f"{_enter(folder)}; umask 077; {write} || {refuse}; {_digest(made)}"


def reuse(folder: str, name: str, sha256: str) -> str:
    """Takes a kept file into the session and prints its sha256."""
    made, kept = own(name), f"../kept/{own(sha256)}"
    take = f"ln -f {kept} {made} 2>/dev/null || cp {kept} {made}"
    made_folder = f"mkdir -p {_parent(made)}"
    return f"{_enter(folder)}; umask 077; {made_folder}; {take} || exit {REFUSED}; {_digest(made)}"


def retain(folder: str, name: str, sha256: str) -> str:
    """Keeps a file of the session for later ones; no space for that is no error."""
    made, kept = own(name), f"../kept/{own(sha256)}"
    copy = f"cp {made} {kept}.part && mv -f {kept}.part {kept} || rm -f {kept}.part"
    keep_it = f"ln -f {made} {kept} || {{ {copy}; }}"
    return f"{_enter(folder)}; umask 077; mkdir -p ../kept; {{ {keep_it}; }} 2>/dev/null; true"


def download(path: str) -> str:
    """Prints a file."""
    return f"cat {own(path)}"


def run(folder: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Runs a command in the session's folder, in the process group that the session's end ends."""
    words = shlex.join(("env", *(f"{key}={value}" for key, value in environment.items()), *command))
    return f"{_enter(folder)}; echo $$ > running; {words}; c=$?; rm -f running; exit $c"


def stop(folder: str) -> str:
    """Ends the command that runs in the session's folder."""
    return f"{_enter(folder)}; {_STOP}; stop ."


def forget(root: str) -> str:
    """Removes all that was kept on the device, if no session is open there."""
    enter = f"cd {_root(root)} 2>/dev/null || exit 0"
    return f"{enter}; {_OTHERS} || rm -rf kept site; cd / && rmdir {_root(root)} 2>/dev/null; true"


def _root(root: str) -> str:
    """The root as a word of the shell; one below ~ follows the device's own HOME."""
    return f'"$HOME"/{own(root[2:])}' if root.startswith("~/") else own(root)


def _enter(folder: str) -> str:
    return f"cd {own(folder)} 2>/dev/null || exit {GONE}"


def _parent(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _digest(name: str) -> str:
    return f"sha256sum {name} 2>/dev/null || echo bytes $(wc -c < {name})"
