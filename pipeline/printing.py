"""Results on stdout: one JSON document, or nothing else."""

import json
import sys


def print_json(document: object) -> None:
    """Writes the one document of `--json`. Numbers that are not finite are refused, not written."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()
