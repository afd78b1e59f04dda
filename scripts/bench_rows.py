"""A benchmark's rows, each a target with what was seen of it."""

import json
from collections.abc import Callable, Iterable

Row = dict[str, object]


def show(rows: Iterable[Row], told: Callable[[Row], str], *, as_json: bool) -> int:
    """Prints rows as they come, or one JSON document at their end.

    Args:
        rows: each with "met".
        told: a row as a line of text.
        as_json: one document instead of lines.

    Returns:
        The exit code: 3 where a target is missed.
    """
    seen = []
    for row in rows:
        seen.append(row)
        if not as_json:
            print(told(row), flush=True)
    if as_json:
        print(json.dumps(seen, indent=2))
    return 0 if all(row["met"] for row in seen) else 3
