"""Explanations: how much each item of a user's history contributes to a score."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array

from models.types import F32, I64


def contributions_from_weights(
    user_items: csr_array, item_ids: Sequence[I64], weights: Callable[[I64, I64], F32], min_rating: float
) -> list[F32]:
    """Return `Recommender.contributions` of a model whose score is a sum of item-item weights.

    `weights(history, items)` returns [H, n]. Ratings below `min_rating` contribute 0.
    """
    contributions = []
    for row, items in enumerate(item_ids):
        entries = slice(user_items.indptr[row], user_items.indptr[row + 1])
        active = user_items.data[entries, None] >= min_rating
        contributions.append((weights(user_items.indices[entries], items) * active).T)
    return contributions


def top_contributor(contributions: F32, history: I64, ratings: F32) -> I64:
    """Return for each of n items the history item with the largest contribution; -1 where none is positive.

    `contributions` [n, H], `history` [H], `ratings` [H]. Ties: the highest rating, then the smallest item id.
    """
    if history.size == 0:
        return np.full(len(contributions), -1, dtype=np.int64)
    by_rating = np.lexsort((history, -ratings))
    # rounded, so that the last bit does not decide between equal contributions
    rounded = contributions[:, by_rating].round(6)
    return np.where(rounded.max(axis=1) > 0, history[by_rating][np.argmax(rounded, axis=1)], -1)
