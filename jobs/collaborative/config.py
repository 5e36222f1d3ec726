"""Settings of the jobs `collaborative` and `candidates`. This module loads without torch and Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CollaborativeConfig:
    """How often the live ranker is fitted. The ranker itself is an input."""

    fit_every: int = 1
    """Nights that share the track factors: 7 fits once a week and folds users in between.

    Without genre lists only users with new plays are scored on the nights between. 1: every night fits, so that a new
    track is in the night's lists."""
    warm_iterations: int = 0
    """Iterations of a warm fit, which starts from the track factors of the night before.

    It needs the same ranker, no new deletion request, no later night and no backfill. 0: every fit starts cold, so that
    a night does not depend on others."""
    users_per_task: int = 2_000
    """Users per task of the fold-in."""


@dataclass(frozen=True)
class CandidatesConfig:
    """How users are grouped, and when the search is approximate. The live ranker determines the scores.

    The job `rank` has the lengths of the lists, which are the numbers of candidates.
    """

    users_per_task: int = 2_000
    """Users per task. It fixes which users share a block: equal inputs give equal bits on any number of cores."""
    users_per_block: int = 250
    """Users scored at once: 250 x 50,000 tracks are 50 MB of scores, and three such arrays exist at a time.

    If the top-N search needs no full scores, `exact_index.USER_BATCH` users are scored at once instead."""
    approximate_from: int = 0
    """Number of tracks from which the overall list is searched approximately (models/ivf_index.py).

    It applies to rankers of factors without genre lists. 0: never, because the exact search is faster up to 2 million
    tracks with the norms of fitted factors (docs/performance.md)."""
