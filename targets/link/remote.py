"""The link to another machine, over any shell: a session's folder there, and commands in it.

The session's keeper, a shell that waits for the end of its stdin, removes the folder and ends what
runs in it as soon as the link ends, however it does.
"""

import contextlib
import hashlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from targets.errors import DeviceUnreachable, EdgesmithError, EnvironmentFault, UsageError
from targets.link import bundle, scripts
from targets.link.contract import Completed, Held, LinkLost, Shell, TooMuch
from targets.link.place import Place, last_line, no_room, stalled
from targets.link.session_name import is_orphaned, new_name

MOST_ANSWER_BYTES = 64_000_000
MOST_FILE_BYTES = 4_000_000_000
_OPENING_S = 30.0
_SHORT_S = 30.0
_SLOWEST_BYTES_PER_S = 50_000
_SIGNALLED = range(129, 193)
_NO_COMMAND = (126, 127)
_BROKEN = "lost"

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Session:
    shell: Shell
    keeper: Held
    root: str
    boot_id: str
    kept: Mapping[str, int]


@dataclass(frozen=True)
class _Sent:
    local: Path
    sha256: str
    keep: bool


class Remote:
    """A device behind a shell. The session is opened at first need, and ends with this object.

    A link that breaks is made anew once, what was sent is sent again, and what was asked is asked
    again: no command here does more than read the device and write into its own folder.
    """

    def __init__(self, connect: Callable[[], Shell], place: Place) -> None:
        """`connect` makes a shell; it raises LinkLost where trying again may help."""
        self._connect = connect
        self._place = place
        self._name = new_name()
        self._open: list[_Session] = []
        self._sent: dict[str, _Sent] = {}
        weakref.finalize(self, _end_all, self._open)

    @property
    def folder(self) -> str:
        """The session's folder."""
        return f"{self._session().root}/{self._name}"

    @property
    def python(self) -> str:
        """The interpreter that the profile names."""
        return self._place.python

    @cached_property
    def code(self) -> str:
        """The agent's archive, and what `doctor --install` put beside the sessions."""
        placed = self.place(bundle.file(), "agent.pyz")
        return f"{placed}:{self.site}"

    @property
    def site(self) -> str:
        """Beside the sessions: what `doctor --install` puts there stays."""
        return f"{self._session().root}/site"

    def push(self, local: Path, name: str) -> str:
        """Sends a file, unless it is there as it is."""
        return self._placed(local, name, keep=False)

    def place(self, local: Path, name: str) -> str:
        """Sends a file, unless it is there or was kept from before; keeps it for later."""
        return self._placed(local, name, keep=True)

    def pull(self, remote: str, local: Path) -> None:
        """Fetches a file, which is then whole or not there."""
        script = scripts.download(remote)
        done = self._retried(
            lambda: self._shell(script, b"", _seconds(MOST_ANSWER_BYTES), MOST_FILE_BYTES)
        )
        if done.code != 0:
            raise DeviceUnreachable(f"{self._told()} has no {remote}: {last_line(done.stderr)}")
        try:
            local.write_bytes(done.stdout)
        except OSError as error:
            raise EnvironmentFault(f"{local} can't be written: {error}") from error

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> Completed:
        """Runs the command in the session's folder. Its answer may have 64 MB.

        A TimeoutError is the command's own: the device still takes the order to end it.
        """
        script = scripts.run(self.folder, command, environment)
        try:
            done = self._retried(lambda: self._timed(script, stdin, timeout_s, MOST_ANSWER_BYTES))
        except TimeoutError:
            self._stop()
            raise
        except (TooMuch, KeyboardInterrupt):
            with contextlib.suppress(DeviceUnreachable):
                self._stop()
            raise
        if done.code in _NO_COMMAND:
            raise EnvironmentFault(
                f"{self._told()} can't run '{command[0]}': {last_line(done.stderr)}; "
                "install it there, or name another in the profile's key 'python'"
            )
        code = 128 - done.code if done.code in _SIGNALLED else done.code
        return Completed(code, done.stdout, done.stderr)

    def _placed(self, local: Path, name: str, *, keep: bool) -> str:
        try:
            content = local.read_bytes()
        except OSError as error:
            raise EnvironmentFault(f"{local} can't be read: {error}") from error
        sha256 = hashlib.sha256(content).hexdigest()
        if name not in self._sent or self._sent[name].sha256 != sha256:
            self._retried(lambda: self._send(name, content, sha256, keep=keep))
            self._sent[name] = _Sent(local, sha256, keep)
        return f"{self.folder}/{name}"

    def _send(self, name: str, content: bytes, sha256: str, *, keep: bool) -> None:
        """Takes the kept file of this content, or uploads it."""
        if keep and sha256 in self._session().kept:
            done = self._shell(scripts.reuse(self.folder, name, sha256), b"", _SHORT_S)
            if done.code == 0 and _is_whole(done.stdout, sha256, len(content)):
                return
        script = scripts.upload(self.folder, name)
        done = self._shell(script, content, _SHORT_S + _seconds(len(content)))
        if done.code == scripts.REFUSED:
            raise no_room(self._place, done.stderr, f"{len(content) / 1e6:.1f} MB")
        if done.code != 0 or not _is_whole(done.stdout, sha256, len(content)):
            raise LinkLost(f"{self._told()} received a damaged file: {last_line(done.stderr)}")
        if keep and sum(self._session().kept.values()) + len(content) < scripts.KEPT_LIMIT_BYTES:
            self._shell(scripts.retain(self.folder, name, sha256), b"", _SHORT_S)

    def _stop(self) -> None:
        self._shell(scripts.stop(self.folder), b"", _SHORT_S)

    def _shell(
        self, script: str, stdin: bytes, timeout_s: float, most_bytes: int = MOST_ANSWER_BYTES
    ) -> Completed:
        """A script of our own: without its answer in time the device itself is at fault."""
        try:
            return self._timed(script, stdin, timeout_s, most_bytes)
        except TimeoutError as error:
            raise stalled(self._place.device, error) from error

    def _timed(self, script: str, stdin: bytes, timeout_s: float, most_bytes: int) -> Completed:
        shell = self._session().shell
        done = shell.execute(script, stdin=stdin, timeout_s=timeout_s, most_bytes=most_bytes)
        if done.code == scripts.GONE:
            raise LinkLost(f"{self._told()} lost the session's folder")
        return done

    def _retried(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except LinkLost as lost:
            self._reopen(lost)
        try:
            return work()
        except LinkLost as lost:
            raise DeviceUnreachable(f"{lost}, twice in a row; look at the link") from lost

    def _reopen(self, lost: LinkLost) -> None:
        """A new link with all that was sent. Raises DeviceUnreachable where that can't be."""
        before = self._open.pop() if self._open else None
        if before is None:
            raise DeviceUnreachable(str(lost)) from lost
        _end(before, _BROKEN)
        try:
            now = self._session()
            for name, sent in list(self._sent.items()):
                self._send_again(name, sent)
        except (DeviceUnreachable, OSError) as error:
            raise DeviceUnreachable(f"{lost}; trying again: {error}") from error
        if now.boot_id != before.boot_id:
            raise DeviceUnreachable(
                f"{self._told()} restarted meanwhile; measure again once it is idle"
            )

    def _send_again(self, name: str, sent: _Sent) -> None:
        """What a finished question had sent may be gone here, and is needed there no more."""
        try:
            content = sent.local.read_bytes()
        except FileNotFoundError:
            del self._sent[name]
        else:
            self._send(name, content, sent.sha256, keep=sent.keep)

    def _session(self) -> _Session:
        if not self._open:
            self._open.append(self._opened(self._connect()))
        return self._open[0]

    def _opened(self, shell: Shell) -> _Session:
        keeper = shell.hold(scripts.keep(self._place.root, self._name))
        try:
            root, boot_id, rest = self._greeting(keeper)
            kept = self._kept(shell, root, rest)
        except BaseException:
            keeper.release(_BROKEN)
            shell.close()
            raise
        return _Session(shell, keeper, root, boot_id, kept)

    def _greeting(self, keeper: Held) -> tuple[str, str, list[str]]:
        """The root, the boot id and what else the keeper says when it has opened the session."""
        lines = []
        while line := keeper.line(_OPENING_S):
            lines.append(line)
        if lines[:1] != ["ready"] or len(lines) < 3:
            raise self._not_opened(lines)
        try:
            return scripts.own(lines[1]), lines[2], lines[3:]
        except UsageError as error:
            raise UsageError(f"{self._told()}: {error}; name another in 'folder'") from error

    def _kept(self, shell: Shell, root: str, lines: list[str]) -> dict[str, int]:
        """What is kept, by sha256, in bytes; removes the sessions of processes that are dead."""
        kept = {}
        for first, _, name in (line.strip().partition(" ") for line in lines):
            if first == "session" and is_orphaned(name):
                script = scripts.discard(root, name)
                with contextlib.suppress(TimeoutError):  # its keeper, or the next session, does it
                    shell.execute(script, stdin=b"", timeout_s=_SHORT_S, most_bytes=1_000_000)
            if first.isdigit():
                kept[name] = int(first)
        return kept

    def _not_opened(self, lines: list[str]) -> EdgesmithError:
        if lines[:1] != ["refused"]:
            return DeviceUnreachable(f"{self._told()} has no POSIX shell: it said {lines[:1]}")
        return no_room(self._place, "\n".join(lines[1:]).encode(), "a session")

    def _told(self) -> str:
        return f"device '{self._place.device}'"


def _end_all(sessions: list[_Session]) -> None:
    while sessions:
        _end(sessions.pop(), scripts.GOODBYE)


def _end(session: _Session, word: str) -> None:
    """Lets the keeper clean up. What a lost link leaves, the keeper removes by itself."""
    session.keeper.release(word)
    session.shell.close()


def _is_whole(told: bytes, sha256: str, size_bytes: int) -> bool:
    words = told.decode(errors="replace").split()
    return words[:1] == [sha256] or words == ["bytes", str(size_bytes)]


def _seconds(size_bytes: int) -> float:
    return size_bytes / _SLOWEST_BYTES_PER_S
