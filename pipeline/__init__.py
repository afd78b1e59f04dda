"""How it gets there: from a recipe to a measured, judged and packaged artifact.

The only room that sees both what is wanted (a recipe, loaded from the user's folder) and where it
runs (`targets`). Its doors load lazily, so that `import pipeline` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.doors import optimize

__all__ = ["optimize"]


def __getattr__(name: str) -> object:
    if name == "optimize":
        return import_module("pipeline.doors").optimize
    raise AttributeError(f"module 'pipeline' has no attribute '{name}'")
