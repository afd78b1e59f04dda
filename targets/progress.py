"""How measuring tells how far it is: a message, and a share between 0 and 1."""

from collections.abc import Callable

Progress = Callable[[str, float], None]


def in_silence(message: str, fraction: float) -> None:
    """Progress that nobody watches."""
