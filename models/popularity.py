"""Popularity: the share of users who like a track. The baseline that every model must beat.

It counts users, not plays: a user with a million plays counts once. Windowed popularity is the same model, fitted on
the ratings of the last days only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.interactions import binarize
from models.queries import Queries
from models.types import F32, I64, Tensors


@dataclass(frozen=True)
class PopularityConfig:
    """Hyper-parameters."""

    min_rating: float = 1.0
    """T_R: ratings from here on count (PMRS Eq. 2, read as R >= T_R)."""


@dataclass(frozen=True)
class Popularity:
    """A fitted popularity model."""

    user_share: F32
    """[I] share of users who like each track, 0 to 1."""

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I], the same for every query."""
        return np.broadcast_to(self.user_share, queries.user_items.shape)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return zeros: no score depends on the history."""
        lengths = np.diff(user_items.indptr)
        return [np.zeros((items.size, length), np.float32) for items, length in zip(item_ids, lengths, strict=True)]

    def tensors(self) -> Tensors:
        """Return `user_share` [I]."""
        return {"user_share": self.user_share}


def fit(ratings: csr_array, config: PopularityConfig) -> Popularity:
    """Count the users who like each track. `ratings` [U, I]."""
    counts = np.asarray(binarize(ratings, config.min_rating).sum(axis=0), dtype=np.float32).ravel()
    return Popularity(counts / max(1, ratings.shape[0]))
