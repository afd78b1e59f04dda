"""The budget benchmark's figures, kept one by one, so that what was cut off goes on."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str | int | float, ...]
Fact = dict[str, Any]
Row = dict[str, object]


@dataclass(frozen=True)
class Store:
    """A JSONL file: a line for each figure, under its key. A broken last line is written anew."""

    path: Path

    def facts(self) -> dict[Key, Fact]:
        """Everything that is known, by key."""
        if not self.path.exists():
            return {}
        return dict(self._lines())

    def _lines(self) -> Iterator[tuple[Key, Fact]]:
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue  # cut off while it was written
            yield tuple(found["key"]), found["fact"]

    def known(self, *key: str | float) -> bool:
        """Whether there is a figure under this key."""
        return key in self.facts()

    def find(self, key: Key, work: Callable[[], Fact]) -> Fact:
        """The figure under a key, found out now or before."""
        known = self.facts().get(key)
        if known is not None:
            return known
        fact = work()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": list(key), "fact": fact}) + "\n")
        say(f"{' '.join(map(str, key))}: {fact}")
        return fact

    def under(self, *prefix: str | float) -> dict[Key, Fact]:
        """All figures whose keys begin so."""
        return {key: one for key, one in self.facts().items() if key[: len(prefix)] == prefix}


def say(text: str) -> None:
    """Told on stderr."""
    print(text, file=sys.stderr, flush=True)


def row(name: str, target: str, observed: object, met: bool) -> Row:
    """A row with a target."""
    return {"name": name, "target": target, "observed": observed, "met": met}


def told(name: str, observed: object) -> Row:
    """A row that only tells."""
    return {"name": name, "target": None, "observed": observed, "met": True}
