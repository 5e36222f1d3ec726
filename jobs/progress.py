"""Report progress of long computations: the callback's type, and a callback that does nothing."""

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Called with the current step, the amount done, and the total (0: unknown)."""


def ignore_progress(step: str, done: int, total: int) -> None:
    """Ignore progress."""
