"""Writes a recipe folder that runs as it is, to fill in."""

from pathlib import Path

from pipeline.disk import atomic_write, environment_faults, make_folder
from targets.errors import FolderInUse

TEMPLATE = Path(__file__).with_name("template")
FILES = ("recipe.yaml", "task.py")


def init(folder: Path) -> tuple[Path, ...]:
    """Writes recipe.yaml and task.py into a new or empty folder, and returns their paths.

    Raises:
        FolderInUse: the folder holds something, or is a file.
        EnvironmentFault: it can't be made or written.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderInUse(f"{folder}: a file, not a folder; choose a new or empty folder")
    with environment_faults(folder):
        held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if held:
            raise FolderInUse(
                f"{folder}: not empty, it holds {held[0]}; nothing was written; "
                "choose a new or empty folder"
            )
        make_folder(folder)
        for name in FILES:
            atomic_write(folder / name, (TEMPLATE / name).read_bytes())
    return tuple(folder / name for name in FILES)
