"""Popularity: what most listeners play. The baseline that a first model must beat.

The number of listeners, not of plays: a user with a million plays is one listener. "Windowed" popularity is the same, fitted on
the ratings of the last days only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.top_n import Floats, Ints, Tensors, by_weights, liked


@dataclass(frozen=True)
class PopularityConfig:
    """What counts as a listener."""

    min_rating: float = 1.0
    """T_R: ratings from here on make a listener (PMRS Eq. 2, read as R >= T_R)."""


@dataclass(frozen=True)
class Popularity:
    """Listeners of each track, as a share of all."""

    listeners: Floats
    """[I], 0 to 1."""

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]: the same for everybody."""
        return np.broadcast_to(self.listeners, asked.shape)

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """Zeros: no track of a history has a say."""
        return by_weights(asked, picked, lambda history, items: np.zeros((history.size, items.size), np.float32), 0.0)

    def tensors(self) -> Tensors:
        """`listeners` [I]."""
        return {"listeners": self.listeners}


def fit(ratings: csr_array, config: PopularityConfig) -> Popularity:
    """Count them. `ratings` [U, I]."""
    counts = np.asarray(liked(ratings, config.min_rating).sum(axis=0), dtype=np.float32).ravel()
    return Popularity(counts / max(1, ratings.shape[0]))
