"""What a person sees while edgesmith works: progress and remarks, on stderr only.

On a terminal one live line with a bar and the time left; elsewhere a plain line at each step, so
that a log reads well. stdout belongs to results.
"""

import sys
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.terminal import Terminal

PLAIN_INTERVAL_S = 5.0


class Console:
    """Progress and remarks. Use as a context manager; `progress` is handed to the stages."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.rich = Terminal(file=sys.stderr, quiet=quiet, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.rich,
            transient=True,
            disable=quiet or not self.rich.is_terminal,
        )
        self._job = self._bar.add_task("", total=1.0, visible=False)
        self._message = ""
        self._said_at = 0.0

    def __enter__(self) -> "Console":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, message: str) -> None:
        """Says that a step begins."""
        self._bar.reset(self._job, description=message, total=1.0, visible=False)
        self._message = message
        self._said_at = time.monotonic()
        self.rich.print(message, style="bold" if self.rich.is_terminal else None)

    def remark(self, message: str) -> None:
        """Says what a step found."""
        self.rich.print(f"  {message}")

    def progress(self, message: str, fraction: float) -> None:
        """How far the present step is, 0 to 1."""
        if self.rich.is_terminal:
            self._bar.update(
                self._job, description=f"  {message}", completed=fraction, visible=fraction < 1
            )
        elif time.monotonic() - self._said_at > PLAIN_INTERVAL_S:
            self._said_at = time.monotonic()
            self.rich.print(f"  {message} {fraction:.0%}")
