"""Tracks that the same listeners like, one track at a time, so that all pairs of a large catalogue never stand in memory at once.

    sim(i, j) = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrinkage)        cosine of who likes i and who likes j, shrunken

The shrinkage is that of Bell and Koren 2007; the k nearest are those of each *target* track, as Deshpande and Karypis 2004 have it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.top_n import Ints, worth_sorting

AT_ONCE = 4_000_000
"""Likes of a track's listeners that are counted at once: some 50 MB, whatever the track's fame and its listeners' zeal."""
SORTED = 16
"""A track whose listeners have fewer likes than one in so many tracks is counted by sorting: a count for every track costs more."""


@dataclass(frozen=True)
class Audience:
    """Who likes what."""

    likes: csr_array
    """X [U, I]: 1 where a user likes a track, nothing elsewhere."""

    @cached_property
    def listeners(self) -> csr_array:
        """X' [I, U]."""
        return csr_array(self.likes.T.tocsr())

    @cached_property
    def sizes(self) -> Ints:
        """|U_i| [I]."""
        return np.asarray(np.diff(self.listeners.indptr), dtype=np.int64)

    @cached_property
    def _lengths(self) -> Ints:
        return np.asarray(np.diff(self.likes.indptr), dtype=np.int64)

    def in_common(self, track: int) -> tuple[Ints, Ints]:
        """Tracks that share a listener with `track` [n], upwards, itself among them; and how many [n]: a row of X'X."""
        users = self.listeners.indices[self.listeners.indptr[track] : self.listeners.indptr[track + 1]]
        reach = self._lengths[users].cumsum()
        tracks = self.likes.shape[1]
        if users.size == 0 or reach[-1] * SORTED < tracks:
            return np.unique(self._likes_of(users), return_counts=True)
        counts = np.zeros(tracks, dtype=np.int64)
        for part in np.split(users, np.flatnonzero(np.diff(reach // AT_ONCE)) + 1):
            counts += np.bincount(self._likes_of(part), minlength=tracks)
        found = np.flatnonzero(counts > 0)
        return found, counts[found]

    def _likes_of(self, users: Ints) -> Ints:
        """What each of them likes, one after another."""
        lengths = self._lengths[users]
        before = self.likes.indptr[users] - (lengths.cumsum() - lengths)
        return np.asarray(self.likes.indices[np.repeat(before, lengths) + np.arange(lengths.sum())])

    def spans(self, tracks: Ints, parts: int) -> list[Ints]:
        """`tracks` in about `parts` pieces that cost about the same to count."""
        cost = (self.listeners @ self._lengths)[tracks] + self.likes.shape[1] / SORTED
        share = np.floor(cost.cumsum() / cost.sum() * parts)
        return [piece for piece in np.split(tracks, np.flatnonzero(np.diff(share)) + 1) if piece.size]

    def nearest(self, track: int, most: int, shrinkage: float) -> tuple[Ints, NDArray[np.float64]]:
        """The `most` tracks [n] most similar to `track`, and how similar; of equal ones those that come first."""
        near, common = self.in_common(track)
        others = near != track
        near = near[others]
        similar = common[others] / (np.sqrt(self.sizes[near] * self.sizes[track]) + shrinkage)
        kept = worth_sorting(similar, np.arange(near.size), most)
        kept = kept[np.lexsort((near[kept], -similar[kept]))][:most]
        return near[kept], similar[kept]


PIECES = 64
"""Into which tracks are dealt out to threads; what is found does not depend on it."""


def nearest(audience: Audience, most: int, shrinkage: float, pool: ThreadPoolExecutor) -> csr_array:
    """[I, I]: in row j the similarities of the `most` nearest of track j, best first. They take 8 bytes each, and once more."""

    def of(tracks: Ints) -> tuple[Ints, Ints, NDArray[np.float32]]:
        found = [audience.nearest(track, most, shrinkage) for track in tracks.tolist()]
        near, similar = (np.concatenate(part) for part in zip(*found, strict=True))
        return np.array([one.size for one, _ in found]), near.astype(np.int32), similar.astype(np.float32)

    tracks = audience.likes.shape[1]
    parts = list(pool.map(of, audience.spans(np.arange(tracks), PIECES)))
    counts, near, similar = (np.concatenate(part) for part in zip(*parts, strict=True))
    return csr_array((similar, near, np.concatenate([[0], counts.cumsum()])), shape=(tracks, tracks))
