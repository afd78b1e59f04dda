"""Copying graph modules, quietly.

A graph knows the structure of its inputs and outputs, and torch 2.13 warns of its own class for a
leaf of such a structure whenever one is copied. That is nobody's to cure who calls us.
"""

import copy
import warnings
from typing import TypeVar

Copied = TypeVar("Copied")


def copied(module: Copied, memo: dict[int, object] | None = None) -> Copied:
    """A deep copy of a graph module, or of what refers to its nodes.

    `memo` holds what takes the place of its parts, by their identity, as `copy.deepcopy` has it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
        return copy.deepcopy(module, memo)
