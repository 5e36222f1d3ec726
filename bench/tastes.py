"""Songs drawn as people listen, synthetic: a few are famous, and most of what one plays is of one's own taste."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
OWN = 0.6
"""Share of plays that is of one's own taste; the others are of any."""


@dataclass(frozen=True)
class Songs:
    """I songs, each of one taste, with their fame."""

    groups: list[Numbers]
    """The songs of each taste."""
    fame: list[NDArray[np.float64]]
    """Running sums of weights: of all songs, then of each taste's."""

    @property
    def tastes(self) -> int:
        """How many there are."""
        return len(self.groups)

    def drawn(self, draw: np.random.Generator, taste: Numbers) -> Numbers:
        """Draw a song for each taste [n]."""
        song = _places(draw, self.fame[0], taste.size)
        own = np.flatnonzero(draw.random(taste.size) < OWN)
        order = own[np.argsort(taste[own], kind="stable")]
        edges = np.searchsorted(taste[order], np.arange(self.tastes + 1))
        for group, fame, (first, last) in zip(self.groups, self.fame[1:], pairwise(edges), strict=True):
            song[order[first:last]] = group[_places(draw, fame, last - first)]
        return song


def songs_of(draw: np.random.Generator, weights: NDArray[np.float64], tastes: int) -> Songs:
    """Songs with these `weights` [I], each of a taste that is drawn."""
    kind = draw.integers(0, tastes, weights.size)
    groups = [np.flatnonzero(kind == one) for one in range(tastes)]
    return Songs(groups, [np.cumsum(weights), *(np.cumsum(weights[group]) for group in groups)])


def _places(draw: np.random.Generator, fame: NDArray[np.float64], count: int) -> Numbers:
    return np.asarray(np.minimum(np.searchsorted(fame, draw.random(count) * fame[-1]), fame.size - 1))
