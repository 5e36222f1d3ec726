"""Sample synthetic plays: songs have a popularity and a taste, and most plays of a user are of the user's own taste."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.types import F64, I64

OWN_TASTE_SHARE = 0.6
"""Share of plays that are sampled from the user's own taste; the others are sampled from all songs."""


@dataclass(frozen=True)
class SongSampler:
    """I songs, each of one taste, with their popularity."""

    songs_of_taste: list[I64]
    cumulative_weights: list[F64]
    """Running sums of popularity weights: of all songs, then of the songs of each taste."""

    @property
    def n_songs(self) -> int:
        """Number of songs I."""
        return self.cumulative_weights[0].size

    def sample(self, rng: np.random.Generator, taste: I64) -> I64:
        """Return a song for each taste [n]."""
        song = _sample_index(rng, self.cumulative_weights[0], taste.size)
        own = np.flatnonzero(rng.random(taste.size) < OWN_TASTE_SHARE)
        order = own[np.argsort(taste[own], kind="stable")]
        edges = np.searchsorted(taste[order], np.arange(len(self.songs_of_taste) + 1))
        for songs, weights, (start, stop) in zip(
            self.songs_of_taste, self.cumulative_weights[1:], pairwise(edges), strict=True
        ):
            song[order[start:stop]] = songs[_sample_index(rng, weights, stop - start)]
        return song


def make_sampler(rng: np.random.Generator, weights: F64, n_tastes: int) -> SongSampler:
    """Return songs with these popularity `weights` [I]; each has a random taste."""
    taste_of_song = rng.integers(0, n_tastes, weights.size)
    songs_of_taste = [np.flatnonzero(taste_of_song == taste) for taste in range(n_tastes)]
    return SongSampler(songs_of_taste, [np.cumsum(weights), *(np.cumsum(weights[songs]) for songs in songs_of_taste)])


def _sample_index(rng: np.random.Generator, cumulative_weights: F64, count: int) -> I64:
    index = np.searchsorted(cumulative_weights, rng.random(count) * cumulative_weights[-1])
    return np.asarray(np.minimum(index, cumulative_weights.size - 1))
