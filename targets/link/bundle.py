"""The agent as one archive that Python runs as it is: our own files only, the same bytes always.

numpy and the runtime come from the device: native modules do not load from an archive.
"""

import ast
import atexit
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from targets.errors import EnvironmentFault

_TARGETS = Path(__file__).resolve().parents[1]
_START = b"from targets.agent.__main__ import main\n\nmain()\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that an archive can tell


def travelling() -> list[Path]:
    """The source files of the agent, of every runtime's session and of what they import, sorted."""
    waiting = [*(_TARGETS / "agent").glob("*.py"), *_TARGETS.glob("*/session.py")]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [*_imported(file), *_packages(file)]
    return sorted(found)


def _imported(file: Path) -> Iterator[Path]:
    """The files of ours that a file imports: modules, and packages of which it takes modules."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "targets":
            path = _TARGETS.parent.joinpath(*str(node.module).split("."))
            if path.is_dir():
                within = (path / f"{name.name}.py" for name in node.names)
                yield from (path / "__init__.py", *(one for one in within if one.exists()))
            else:
                yield path.with_suffix(".py")


def _packages(file: Path) -> Iterator[Path]:
    for folder in file.relative_to(_TARGETS.parent).parents[:-1]:
        yield _TARGETS.parent / folder / "__init__.py"


@cache
def file() -> Path:
    """The archive, written once and removed when this program ends.

    Raises EnvironmentFault where none can be written.
    """
    try:
        folder = tempfile.mkdtemp(prefix="edgesmith-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder) / "agent.pyz"
        write(path)
    except OSError as error:
        raise EnvironmentFault(f"the agent's archive can't be written: {error}") from error
    return path


def write(path: Path) -> None:
    """Writes the archive: stored, not compressed, since zlib's bytes differ between versions."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _START)
        for source in travelling():
            _add(archive, str(source.relative_to(_TARGETS.parent)), source.read_bytes())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
