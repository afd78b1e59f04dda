"""What manifest.json states of one operation, or of what an app has, as an object.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

Ruled = TypeVar("Ruled")


class Section:
    """Its keys are its attributes. Stands for the types of the same name in edgesmith, which check
    what a task states; here it was checked before."""

    def __init__(self, **stated: object) -> None:
        vars(self).update(stated)

    def model_copy(self, update: Mapping[str, object]) -> Section:
        """Another one with some keys changed."""
        return type(self)(**{**vars(self), **update})


def _unruled(ruled: Ruled) -> Ruled:
    return ruled


def no_rule(*_: object, **__: object) -> Callable[[Ruled], Ruled]:
    """A rule that checks nothing: the values were checked when the package was made."""
    return _unruled


Field = field_validator = model_validator = no_rule
"""What pydantic calls its rules."""
