"""GitHub's workflow commands, which a job's log is read for: an annotation for each finding.

The form and its escapes are those of the runner's ActionCommand (docs.github.com, "Workflow
commands"): a message must not end its command, nor begin another one.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.ci.findings import Finding, findings
from pipeline.fleet import Outcome

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def annotations(model: Path, outcomes: Sequence[Outcome]) -> str:
    """A line for each finding."""
    return "".join(f"{_command(model, one)}\n" for one in findings(outcomes))


def _command(model: Path, one: Finding) -> str:
    title = f"{one.rule} on {one.device}".translate(_PROPERTY)
    file = str(model).translate(_PROPERTY)
    message = one.message.translate(_MESSAGE)
    return f"::{COMMANDS[one.level]} file={file},title={title}::{message}"
