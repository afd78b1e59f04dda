"""Results on stdout: one JSON document, or nothing else; and text that is safe to show."""

import json
import sys

_HIDDEN = "\N{REPLACEMENT CHARACTER}"


def print_json(document: object) -> None:
    """Writes the one document of `--json`. Numbers that are not finite are refused, not written."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def visible(text: str) -> str:
    """Text that may come out of a stranger's file, without what a terminal would act on."""
    return "".join(one if one.isprintable() or one == "\n" else _HIDDEN for one in text)
