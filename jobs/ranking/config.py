"""Settings of the job `rank`. This module loads without Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RankConfig:
    """Lengths of the lists. The jobs `candidates`, `publish` and `quality` read them too."""

    overall: int = 20
    """N of the overall list: a page of recommendations."""
    per_genre: int = 10
    """N of each genre's list: PMRS's application shows five; ten leave room to skip some."""
