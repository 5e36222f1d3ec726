"""PMRS collaborative filtering: a user's genre taste, times what a track is, times how well it fits (Eq. 1-4).

The paper prints V = U_M (x) C_M without saying what the product is, and its equations forget the similar users that
its section I promises. Read here as:

    theta_u(g) = sum over m in U_M of R_m P(g|m) / sum over m in U_M of R_m       the user's genre profile
    s(u, c)    = share of u's unheard tracks that do not score above c            percentile of the collaborative score
    list of g  : P(g|c) s(u, c), over tracks whose most probable genre is g
    overall    : sum over g of theta_u(g) P(g|c) s(u, c)

s is a percentile because collaborative scores may be negative, and would turn a product around. Tracks without a known
genre form one more class in theta and P, so that listeners of unlabelled music get an overall list too. The collaborative score
is any recommender's (models/top_n.py); PMRS's own is matrix factorisation. Of a recommender on its own, without PMRS's say about
genres, the overall list is s alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.lists import OVERALL, Lists, joined
from models.top_n import Floats, Ints


@dataclass(frozen=True)
class Catalogue:
    """The I tracks of the collaborative model, in the order of their ids (ties are broken by that order)."""

    genre_probabilities: Floats
    """[I, G + 1] P(g|c); the last class is "genre unknown". Rows sum to 1."""
    genre: Ints
    """[I] most probable genre, G where unknown."""

    @property
    def classes(self) -> int:
        """G + 1."""
        return int(self.genre_probabilities.shape[1])


def tastes(asked: csr_array, catalogue: Catalogue, least: float) -> Floats:
    """Profiles theta [B, G + 1] of users by their ratings `asked` [B, I] of at least `least` (T_R); zeros where there is none."""
    weights = asked.astype(np.float32)
    weights.data = np.where(weights.data >= least, weights.data, np.float32(0))
    total = np.asarray(weights.sum(axis=1), dtype=np.float32).reshape(-1, 1)
    summed = np.asarray(weights @ catalogue.genre_probabilities, dtype=np.float32)
    return np.divide(summed, total, out=np.zeros_like(summed), where=total > 0)


def percentiles(scores: Floats, heard: csr_array) -> Floats:
    """S [B, I]: (n - rank) / n among the n unheard tracks of which a recommender knows something, best first; -1 for the others.

    `scores` [B, I]: a recommender's, in which 0 exactly says that nothing is known; `heard` [B, I]. Ties: first id first.
    """
    offered = np.asarray(scores != 0)
    offered[np.repeat(np.arange(heard.shape[0]), np.diff(heard.indptr)), heard.indices] = False
    found = np.full(scores.shape, -1.0, dtype=np.float32)
    numbers = np.arange(scores.shape[1], dtype=np.uint64)
    for row, line in enumerate(offered):
        order = np.sort(_falling(scores[row, line]) | numbers[line]) & np.uint64(0xFFFF_FFFF)
        count = order.size
        found[row, order.astype(np.int64)] = ((count - np.arange(count)) / max(1, count)).astype(np.float32)
    return found


def _falling(scores: Floats) -> NDArray[np.uint64]:
    """Whole numbers that rise where float32 scores fall, in the upper half of 64 bits: those are sorted several times faster."""
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.uint32)
    falling = np.where(bits >> np.uint32(31), bits, ~(bits ^ np.uint32(0x8000_0000)))
    return falling.astype(np.uint64) << np.uint64(32)


def top_lists(
    scores: Floats,
    asked: csr_array,
    catalogue: Catalogue,
    least: float,
    overall: int,
    per_genre: int,
    by_taste: bool = True,
) -> Lists:
    """Each user's overall list of the best `overall` tracks, and each genre's best `per_genre`; exact, never a rated track.

    `scores` [B, I]: the collaborative ones; `asked` [B, I]: ratings; `by_taste`: whether theta has a say in the overall list,
    as PMRS has it.
    """
    share, taste = percentiles(scores, asked), tastes(asked, catalogue, least)
    every = np.arange(len(catalogue.genre))
    # sum over g of theta(g) P(g|c)
    value = (taste @ catalogue.genre_probabilities.T) * share if by_taste else share
    parts = [_best(every, value, share, overall, OVERALL, np.ones(len(share), np.float32))]
    for genre in range(catalogue.classes - 1 if per_genre else 0):
        inside = np.flatnonzero(catalogue.genre == genre)
        shares = share[:, inside]
        value = catalogue.genre_probabilities[inside, genre] * shares
        parts.append(_best(inside, value, shares, per_genre, genre, taste[:, genre]))
    return joined(parts)


def _best(items: Ints, scores: Floats, share: Floats, most: int, genre: int, taste: Floats) -> Lists:
    """The `most` best offered of these items [M] by `scores` [B, M]: by score, then percentile, then id."""
    offered = share >= 0
    if most < items.size:
        able = np.where(offered, scores, -np.inf)
        offered &= able >= np.partition(able, items.size - most, axis=1)[:, items.size - most, None]
    row, place = np.nonzero(offered)
    score, percentile = scores[row, place].astype(np.float32), share[row, place]
    order = np.lexsort((items[place], -percentile, -score, row))
    order = order[np.arange(order.size) - np.searchsorted(row, row) < most]
    row, place = row[order], place[order]
    return Lists(row, np.full(row.size, genre), items[place], score[order], percentile[order], taste[row])
