"""Keeps OpenVINO's telemetry from loading.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def declined() -> Iterator[None]:
    """Within it, openvino is imported without its telemetry.

    On import the package reports to a server, from a process that it forks, unless its user has
    opted out. Where the telemetry package is not to be had it takes a stub instead.
    """
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
    yield
