"""Settings of the job `history`. This module loads without Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HistoryConfig:
    """What counts as a play."""

    min_play_ms: int = 30_000
    """Minimum duration of a play, in milliseconds; a shorter one only marks the track as seen. 30 s is the royalty
    threshold of streaming services.
    """
