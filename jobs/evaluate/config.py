"""Settings of the job `quality`. This module loads without torch and Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QualityConfig:
    """Cutoffs, and the charts' window."""

    list_length: int = 20
    """Ranks that count: N of the overall list (jobs/ranking/rank.py)."""
    cutoffs: tuple[int, ...] = (10, 20)
    """N of the metrics."""
    min_rating: float = 1.0
    """T_R, as in `pmrs evaluate`: tracks that are played, liked or starred, and not those that are only skipped."""
    per_genre: int = 10
    """Ranks of a genre's list, and best rated tracks of the genre, in PMRS's confidence score; as in `pmrs evaluate`."""
    window_days: int = 28
    """Window of windowed popularity, in days; as in `pmrs evaluate`."""
