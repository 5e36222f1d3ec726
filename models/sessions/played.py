"""Remove from lists what a session has already played: the one masking function of all session models."""

from typing import Any

import numba
import numpy as np

from models.data.sessions import PADDING, RankedItems, SessionQueries
from models.types import I64, Mask


def played_before(queries: SessionQueries, items: I64) -> Mask:
    """Return whether the session of query q played `items[q, j]` [Q, K] before; False for padding."""
    played = np.zeros(items.shape, np.bool_)
    _mark_played(queries.items, queries.starts, queries.ends, items, played)
    return played


def without_played(queries: SessionQueries, lists: RankedItems, k: int) -> RankedItems:
    """Return the first k items of each list that the session has not played, padded on the right."""
    keep = ~played_before(queries, lists.items) & (lists.items != PADDING)
    order = np.argsort(~keep, axis=1, kind="stable")[:, :k]
    retained = np.take_along_axis(keep, order, 1)
    items = np.where(retained, np.take_along_axis(lists.items, order, 1), PADDING)
    scores = np.where(retained, np.take_along_axis(lists.scores, order, 1), np.float32(-np.inf))
    return RankedItems(items, scores)


def depth_for(queries: SessionQueries, k: int) -> int:
    """Return how long lists must be so that `without_played` keeps k items."""
    return k + int((queries.ends - queries.starts).max(initial=0))


@numba.njit(cache=True, parallel=True)
def _mark_played(items: I64, starts: I64, ends: I64, lists: I64, played: Any) -> None:
    for query in numba.prange(lists.shape[0]):
        for slot in range(lists.shape[1]):
            for play in range(starts[query], ends[query]):
                if items[play] == lists[query, slot] and items[play] != PADDING:
                    played[query, slot] = True
                    break


