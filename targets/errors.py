"""The errors that a user sees. One small tree; the exit code belongs to the class.

EdgesmithError                1  something that should not happen
├── UsageError                2  the request or its input is wrong
│   ├── RecipeError           2  recipe.yaml, a budget file or `--set`
│   ├── TaskError             2  the user's task.py, its model or its data
│   ├── ArtifactError         2  a model file, a plan or a package that can't be read
│   └── FolderInUse           2  another run holds the folder, or it belongs to another recipe
├── PackageRefused            3  a package whose archive breaks the rules, so that it stays closed
├── MeasurementInvalid        4  the device was disturbed: what was measured must not be used
├── DeviceUnreachable         5  the device or its link failed
├── ConversionError           6  an exporter or a runtime can't take the model
└── EnvironmentFault          7  disk full, no permission, a tool that is missing

A message says what was asked, what was found and what to change.
"""


class EdgesmithError(Exception):
    """An error with a message for the user and the process's exit code."""

    exit_code = 1


class UsageError(EdgesmithError):
    """The request, or an input to it, is wrong."""

    exit_code = 2


class RecipeError(UsageError):
    """recipe.yaml, a budget file or an override is wrong."""


class TaskError(UsageError):
    """The user's task.py, its model or its data is wrong."""


class ArtifactError(UsageError):
    """A model file, a plan or a package can't be read."""


class FolderInUse(UsageError):
    """Another process holds the folder, or it holds the run of another recipe."""


class PackageRefused(EdgesmithError):
    """A package's archive holds what no package may: a path outside, a link, a bomb."""

    exit_code = 3


class MeasurementInvalid(EdgesmithError):
    """What was measured must not be used: the device was disturbed while it ran."""

    exit_code = 4


class DeviceUnreachable(EdgesmithError):
    """The device or the link to it failed."""

    exit_code = 5


class ConversionError(EdgesmithError):
    """An exporter or a runtime can't take the model; `operator` is the one it names, or ""."""

    exit_code = 6

    def __init__(self, message: str, operator: str = "") -> None:
        super().__init__(message)
        self.operator = operator


class EnvironmentFault(EdgesmithError):
    """The machine can't do it: disk full, no permission, a missing tool."""

    exit_code = 7
