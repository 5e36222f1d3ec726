"""Item co-occurrence X'X and nearest neighbors, one row at a time: the full matrix of a large catalogue never exists in
memory.

    sim(i, j) = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrinkage)        U_i: the users who like i

The shrinkage is that of Bell and Koren 2007. As in Deshpande and Karypis 2004, neighbors are those of each *target*
track.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from models.topk import top_k
from models.types import F32, F64, I64

CHUNK_INTERACTIONS = 4_000_000
"""Interactions of a track's users that are counted at once: about 50 MB."""
SORT_BELOW = 16
"""A row is counted by sorting if its users have fewer interactions than n_tracks / SORT_BELOW; a dense count would cost
more."""
N_CHUNKS = 64
"""Chunks of tracks for the thread pool; results do not depend on it."""


@dataclass(frozen=True)
class CooccurrenceMatrix:
    """G = X'X, computed row by row."""

    user_items: csr_array
    """X [U, I]: 1 where a user likes a track, else no entry."""

    @cached_property
    def item_users(self) -> csr_array:
        """X' [I, U]."""
        return csr_array(self.user_items.T.tocsr())

    @cached_property
    def n_users(self) -> I64:
        """|U_i| [I]."""
        return np.asarray(np.diff(self.item_users.indptr), dtype=np.int64)

    @cached_property
    def _n_items(self) -> I64:
        """Interactions of each user [U]."""
        return np.asarray(np.diff(self.user_items.indptr), dtype=np.int64)

    def row(self, track: int) -> tuple[I64, I64]:
        """Return the non-zeros of a row of X'X: tracks [n], ascending, `track` included, and common users [n]."""
        users = self.item_users.indices[self.item_users.indptr[track] : self.item_users.indptr[track + 1]]
        cumulative = self._n_items[users].cumsum()
        n_tracks = self.user_items.shape[1]
        if users.size == 0 or cumulative[-1] * SORT_BELOW < n_tracks:
            return np.unique(self._items_of(users), return_counts=True)
        counts = np.zeros(n_tracks, dtype=np.int64)
        for chunk in np.split(users, np.flatnonzero(np.diff(cumulative // CHUNK_INTERACTIONS)) + 1):
            counts += np.bincount(self._items_of(chunk), minlength=n_tracks)
        tracks = np.flatnonzero(counts > 0)
        return tracks, counts[tracks]

    def _items_of(self, users: I64) -> I64:
        """Return the items of all these users, concatenated."""
        lengths = self._n_items[users]
        offsets = self.user_items.indptr[users] - (lengths.cumsum() - lengths)
        return np.asarray(self.user_items.indices[np.repeat(offsets, lengths) + np.arange(lengths.sum())])

    def chunks(self, tracks: I64, n_chunks: int) -> list[I64]:
        """Split `tracks` into about `n_chunks` chunks of equal cost to count."""
        cost = (self.item_users @ self._n_items)[tracks] + self.user_items.shape[1] / SORT_BELOW
        chunk = np.floor(cost.cumsum() / cost.sum() * n_chunks)
        return [part for part in np.split(tracks, np.flatnonzero(np.diff(chunk)) + 1) if part.size]

    def nearest(self, track: int, k: int, shrinkage: float) -> tuple[I64, F64]:
        """Return the k tracks [n] most similar to `track` and their similarities [n], best first, ties by track."""
        tracks, common = self.row(track)
        others = tracks != track
        tracks = tracks[others]
        similarity = common[others] / (np.sqrt(self.n_users[tracks] * self.n_users[track]) + shrinkage)
        best = top_k(similarity, tracks, k)
        return tracks[best], similarity[best]


def nearest_neighbors(matrix: CooccurrenceMatrix, k: int, shrinkage: float, pool: ThreadPoolExecutor) -> csr_array:
    """Return similarities [I, I]: row j has the k nearest neighbors of track j, best first.

    Memory: 8 bytes per similarity, and as much again while they are joined.
    """

    def neighbors_of(tracks: I64) -> tuple[I64, I64, F32]:
        nearest = [matrix.nearest(track, k, shrinkage) for track in tracks.tolist()]
        neighbors, similarity = (np.concatenate(part) for part in zip(*nearest, strict=True))
        counts = np.array([row_neighbors.size for row_neighbors, _ in nearest])
        return counts, neighbors.astype(np.int32), similarity.astype(np.float32)

    n_tracks = matrix.user_items.shape[1]
    parts = list(pool.map(neighbors_of, matrix.chunks(np.arange(n_tracks), N_CHUNKS)))
    counts, neighbors, similarity = (np.concatenate(part) for part in zip(*parts, strict=True))
    return csr_array((similarity, neighbors, np.concatenate([[0], counts.cumsum()])), shape=(n_tracks, n_tracks))
