"""The link to this machine: copies into a private folder, and child processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from targets.errors import EnvironmentFault
from targets.link.contract import Completed

_CODE = Path(__file__).resolve().parents[2]


class Local:
    """This machine. The private folder is made at first need and removed with this object."""

    def __init__(self, python: str = sys.executable) -> None:
        """`python` is the interpreter that runs the agent; without it, the one that runs this."""
        self._python = python

    @cached_property
    def folder(self) -> str:
        """The private folder. Raises EnvironmentFault where none can be made."""
        try:
            folder = tempfile.mkdtemp(prefix="edgesmith-")
        except OSError as error:
            raise EnvironmentFault(f"no folder for temporary files: {error}") from error
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @property
    def python(self) -> str:
        """The interpreter that runs the agent."""
        return self._python

    @property
    def code(self) -> str:
        """The folder of this program's own `targets`."""
        return str(_CODE)

    @property
    def site(self) -> str:
        """None: this program's own environment has what it needs."""
        return ""

    def push(self, local: Path, name: str) -> str:
        """Copies the file under a relative name in the private folder."""
        remote = Path(self.folder) / name
        try:
            remote.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(local, remote)
        except OSError as error:
            raise EnvironmentFault(
                f"{local} can't be copied to {remote.parent}: {error}"
            ) from error
        return str(remote)

    def place(self, local: Path, name: str) -> str:
        """As `push`: this machine keeps nothing from before."""
        return self.push(local, name)

    def pull(self, remote: str, local: Path) -> None:
        """Copies a file of the private folder out of it."""
        try:
            shutil.copyfile(remote, local)
        except OSError as error:
            raise EnvironmentFault(f"{remote} can't be copied to {local}: {error}") from error

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> Completed:
        """Runs the command in the private folder, in a process group of its own."""
        try:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**_inherited(), **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentFault(f"{command[0]} can't be started: {error}") from error
        with process:
            return _finished(process, stdin, timeout_s)


def _finished(process: subprocess.Popen[bytes], stdin: bytes, timeout_s: float) -> Completed:
    try:
        stdout, stderr = process.communicate(stdin, timeout_s)
    except BaseException as error:  # also an interrupt: no child outlives this call
        os.killpg(process.pid, signal.SIGKILL)
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimeoutError(f"no answer in {timeout_s:g} s") from error
        raise
    return Completed(process.returncode, stdout, stderr)


def _inherited() -> dict[str, str]:
    """What a child needs of this process's environment; PYTHONPATH and the like stay out."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ}
