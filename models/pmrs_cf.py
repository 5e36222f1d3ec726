"""PMRS collaborative filtering: the user's genre profile, times the track's genres, times the collaborative score (Eq.
1-4).

The paper prints V = U_M (x) C_M without defining the product, and its equations omit the similar users of its section
I. This module reads them as:

    theta_u(g) = sum over m in U_M of R_m P(g|m) / sum over m in U_M of R_m       genre profile of the user
    s(u, c)    = share of u's unseen tracks that do not score above c             percentile of the collaborative score
    list of g  : P(g|c) s(u, c), over tracks whose most probable genre is g
    overall    : sum over g of theta_u(g) P(g|c) s(u, c)

s is a percentile because a negative collaborative score would reverse the product. Tracks without a known genre form
one more class of theta and P, so that users of unlabelled music get an overall list too. The collaborative score may
come from any recommender (models/protocol.py); PMRS's own is matrix factorization. Without genre profiles, the overall
list of a recommender is s alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.recommendation_lists import OVERALL, RankedLists, concat_lists
from models.topk import seen_mask, top_k_per_row
from models.types import F32, I64


@dataclass(frozen=True)
class Catalogue:
    """Genres of the I tracks of the collaborative model, in the order of their ids (which breaks ties)."""

    genre_probabilities: F32
    """[I, G + 1] P(g|c); the last class is "genre unknown". Rows sum to 1."""
    genre: I64
    """[I] most probable genre, G where unknown."""

    @property
    def n_classes(self) -> int:
        """G + 1."""
        return int(self.genre_probabilities.shape[1])


def genre_profiles(user_items: csr_array, catalogue: Catalogue, min_rating: float) -> F32:
    """Return theta [B, G + 1] from ratings [B, I] of at least `min_rating` (T_R); zeros for users without one."""
    weights = user_items.astype(np.float32)
    weights.data = np.where(weights.data >= min_rating, weights.data, np.float32(0))
    total = np.asarray(weights.sum(axis=1), dtype=np.float32).reshape(-1, 1)
    weighted = np.asarray(weights @ catalogue.genre_probabilities, dtype=np.float32)
    return np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)


def percentiles(scores: F32, user_items: csr_array) -> F32:
    """Return s [B, I]: (n - rank) / n among the n unseen tracks with evidence; -1 for all others. Ties: first id first.

    `scores` [B, I]: a recommender's; exactly 0 means no evidence. `user_items` [B, I]: seen tracks.
    """
    eligible = np.asarray(scores != 0) & ~seen_mask(user_items)
    result = np.full(scores.shape, -1.0, dtype=np.float32)
    ids = np.arange(scores.shape[1], dtype=np.uint64)
    for row, mask in enumerate(eligible):
        order = np.sort(_descending_keys(scores[row, mask]) | ids[mask]) & np.uint64(0xFFFF_FFFF)
        n = order.size
        result[row, order.astype(np.int64)] = ((n - np.arange(n)) / max(1, n)).astype(np.float32)
    return result


def _descending_keys(scores: F32) -> NDArray[np.uint64]:
    """Return integers that ascend as the scores descend, in the upper 32 of 64 bits: they sort several times faster."""
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.uint32)
    descending = np.where(bits >> np.uint32(31), bits, ~(bits ^ np.uint32(0x8000_0000)))
    return descending.astype(np.uint64) << np.uint64(32)


def top_lists(
    scores: F32,
    user_items: csr_array,
    catalogue: Catalogue,
    min_rating: float,
    n_overall: int,
    n_per_genre: int,
    uses_genre_profile: bool = True,
) -> RankedLists:
    """Return each user's overall list of `n_overall` unseen tracks, and each genre's list of `n_per_genre`. Exact.

    `scores` [B, I]: collaborative scores. `user_items` [B, I]: ratings. `uses_genre_profile`: weight the overall list
    by theta, as PMRS does.
    """
    percentile = percentiles(scores, user_items)
    profile = genre_profiles(user_items, catalogue, min_rating)
    all_items = np.arange(len(catalogue.genre))
    # sum over g of theta(g) P(g|c)
    value = (profile @ catalogue.genre_probabilities.T) * percentile if uses_genre_profile else percentile
    parts = [_top_list(all_items, value, percentile, n_overall, OVERALL, np.ones(len(percentile), np.float32))]
    for genre in range(catalogue.n_classes - 1 if n_per_genre else 0):
        items = np.flatnonzero(catalogue.genre == genre)
        genre_percentile = percentile[:, items]
        value = catalogue.genre_probabilities[items, genre] * genre_percentile
        parts.append(_top_list(items, value, genre_percentile, n_per_genre, genre, profile[:, genre]))
    return concat_lists(parts)


def _top_list(items: I64, values: F32, percentile: F32, k: int, genre: int, profile: F32) -> RankedLists:
    """Return the k eligible `items` [M] with the largest `values` [B, M]; ties by percentile, then id."""
    eligible = percentile >= 0
    if k < items.size:
        masked = np.where(eligible, values, -np.inf)
        eligible &= masked >= np.partition(masked, items.size - k, axis=1)[:, items.size - k, None]
    row, column = np.nonzero(eligible)
    score, tie_break = values[row, column].astype(np.float32), percentile[row, column]
    best = top_k_per_row(row, items[column], score, k, tie_break)
    row = row[best]
    return RankedLists(row, np.full(row.size, genre), items[column[best]], score[best], tie_break[best], profile[row])
