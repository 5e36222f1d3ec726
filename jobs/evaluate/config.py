"""Settings of the job `quality`. This module loads without torch and Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QualityConfig:
    """Cutoffs, and the charts' window."""

    cutoffs: tuple[int, ...] = (10, 20)
    """N of the metrics."""
    min_rating: float = 1.0
    """T_R, as in `pmrs evaluate`: tracks that are played, liked or starred, and not those that are only skipped."""
    window_days: int = 28
    """Window of windowed popularity, in days; as in `pmrs evaluate`."""
