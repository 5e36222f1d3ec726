"""Recommendation lists of a batch of users as flat arrays, as the job `candidates` stores them.

`search_lists` builds them from an index of item factors; models/pmrs_cf.py from a full score matrix.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from models import exact_index, ivf_index
from models.exact_index import ExactIndex
from models.explain import top_contributor
from models.ials import ALSModel
from models.ivf_index import IVFIndex
from models.protocol import Recommender
from models.types import F32, I64

OVERALL = -1
"""Genre number of the overall list."""


@dataclass(frozen=True)
class RankedLists:
    """List entries [n], sorted by user, then overall list before genre lists, then rank."""

    row: I64
    """User, as a row of the batch."""
    genre: I64
    """Genre number of the list, or OVERALL."""
    item: I64
    score: F32
    percentile: F32
    """s(u, c), see models/pmrs_cf.py."""
    genre_profile: F32
    """theta_u of the list's genre; 1 for the overall list."""


def concat_lists(parts: list[RankedLists]) -> RankedLists:
    """Join lists of the same users and sort them by user and genre; ranks keep their order."""
    names = tuple(RankedLists.__dataclass_fields__)
    row, genre, *columns = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    order = np.lexsort((genre, row))  # stable
    return RankedLists(row[order], genre[order], *(column[order] for column in columns))


def search_lists(model: ALSModel, index: ExactIndex | IVFIndex, user_items: csr_array, k: int) -> RankedLists:
    """Return the overall lists of the k items with the largest x_u . y_i, without computing all scores.

    The percentile of a track is the share of unseen tracks that do not score above it. An IVF index treats the tracks
    that it did not find as worse.
    """
    users = model.fold_in(user_items)
    if isinstance(index, IVFIndex):
        top = ivf_index.search(users, index, user_items, k)
    else:
        top = exact_index.search(users, index, user_items, k)
    n_seen = np.zeros(user_items.shape[0], dtype=np.int64)
    in_index = index.position[user_items.indices] >= 0
    np.add.at(n_seen, np.repeat(np.arange(user_items.shape[0]), np.diff(user_items.indptr)), in_index)
    n_unseen = (np.count_nonzero(index.position >= 0) - n_seen)[top.row]
    percentile = ((n_unseen - top.rank) / n_unseen).astype(np.float32)
    overall = np.full(top.row.size, OVERALL)
    return RankedLists(top.row, overall, top.item, percentile, percentile, np.ones_like(percentile))


def explain_lists(model: Recommender, user_items: csr_array, lists: RankedLists) -> I64:
    """Return the history item that contributes most to each list entry [n]; -1 where there is none."""
    row_starts = np.searchsorted(lists.row, np.arange(user_items.shape[0] + 1))
    item_ids = [lists.item[start:stop] for start, stop in pairwise(row_starts)]
    reasons = np.full(lists.item.size, -1, dtype=np.int64)
    for row, contributions in enumerate(model.contributions(user_items, item_ids)):
        entries = slice(user_items.indptr[row], user_items.indptr[row + 1])
        history = user_items.indices[entries].astype(np.int64)
        reasons[row_starts[row] : row_starts[row + 1]] = top_contributor(
            contributions, history, user_items.data[entries]
        )
    return reasons
