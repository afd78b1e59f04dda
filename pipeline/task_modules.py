"""Imports the user's task.py under a private name, and sees which files it reads.

The recipe's folder never enters sys.path. Its modules live in a package of their own; a plain
`import train` or `from model import Net` finds a sibling there, because each of them gets an
`__import__` that looks beside it first, as Python does for a script.
"""

import builtins
import hashlib
import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType

PREFIX = "_edgesmith_task_"


def import_file(path: Path) -> ModuleType:
    """Runs a Python file as a module of a new private package, whatever that raises.

    The package's name comes of the folder's name alone, so that it is the same in every clone.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    package = _new_package(path.parent)
    return importlib.import_module(f"{package.__name__}.{path.stem}")


def _new_package(folder: Path) -> ModuleType:
    digest = hashlib.sha256(folder.name.encode()).hexdigest()[:12]
    names = itertools.chain([""], (f"_{number}" for number in itertools.count(2)))
    name = next(n for tail in names if (n := f"{PREFIX}{digest}{tail}") not in sys.modules)
    package = ModuleType(name, "The modules of one recipe's folder.")
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    return package


class _Finder:
    """Finds modules of private packages only, and loads them with the sibling-aware import."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec where it lies in a recipe's folder; else None, for other finders."""
        if not name.startswith(PREFIX) or path is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Runs source with an import of its own, and writes no bytecode into the user's folder."""

    def get_code(self, fullname: str) -> CodeType:
        """Compiled from the source that is there now."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module."""
        package = sys.modules[module.__name__.partition(".")[0]]
        sibling_first = {**vars(builtins), "__import__": _importer(package)}
        module.__dict__["__builtins__"] = sibling_first
        super().exec_module(module)


def _importer(package: ModuleType) -> "_Import":
    return _Import(package.__name__, Path(next(iter(package.__path__))))


class _Import:
    """`__import__` for the modules of one folder."""

    def __init__(self, package: str, folder: Path) -> None:
        self.package = package
        self.folder = folder

    def __call__(
        self,
        name: str,
        outer: Mapping[str, object] | None = None,
        inner: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """As builtins.__import__, with siblings first."""
        top = name.partition(".")[0]
        if level or not self._is_sibling(top):
            return __import__(name, outer, inner, fromlist or (), level)
        leaf = __import__(f"{self.package}.{name}", outer, inner, fromlist or (), 0)
        return leaf if fromlist else sys.modules[f"{self.package}.{top}"]

    def _is_sibling(self, name: str) -> bool:
        if (self.folder / f"{name}.py").is_file() or (self.folder / name / "__init__.py").is_file():
            return True
        # a folder without __init__.py gives way to an installed package, as it does in Python
        return (self.folder / name).is_dir() and name not in sys.modules and find_spec(name) is None


_recordings: dict[int, set[Path]] = {}
"""Those that are on. An audit hook can't be removed, so the one that we add looks here."""

_hooks: list[Callable[..., None]] = []


@contextmanager
def recording(folder: Path) -> Iterator[set[Path]]:
    """The files below the folder that Python code opens to read meanwhile, import included.

    Filled when the block ends. Native code that opens files by itself (safetensors) is not seen;
    the weights are known by their values instead.
    """
    if not _hooks:
        sys.addaudithook(_see)
        _hooks.append(_see)
    every: set[Path] = set()
    found: set[Path] = set()
    _recordings[id(every)] = every
    try:
        yield found
    finally:
        del _recordings[id(every)]
        found.update(path for path in _below(folder, every) if path.is_file())


def _below(folder: Path, paths: Iterable[Path]) -> Iterator[Path]:
    """Those below the folder, as it names them: a link in it counts, wherever it leads."""
    for path in paths:
        absolute = Path(os.path.normpath(path.absolute()))
        found = absolute if absolute.is_relative_to(folder) else absolute.resolve()
        if found.is_relative_to(folder):
            yield found


def _see(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _recordings:
        return
    name, mode = arguments[0], arguments[1]
    if isinstance(name, str) and not (isinstance(mode, str) and set(mode) & set("wax")):
        for every in tuple(_recordings.values()):
            every.add(Path(name))
