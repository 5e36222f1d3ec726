"""Ranking metrics of sessions, query by query, in numpy; definitions as in `jobs.evaluate.metrics`.

The next track is one relevant track: HR and MRR. The rest of the session, from the next track on, is a set of relevant tracks:
P, R, NDCG and MAP, as session-rec evaluates.
"""

from dataclasses import dataclass

import numpy as np

from models.data.sessions import PADDING, RankedItems
from models.types import F64, I64, Mask

CUTOFFS = (5, 10, 20)
DEPTH = 100
"""Length of the evaluated lists. Longer than the largest cutoff, so that ties across its end are seen."""
NEXT_METRICS, REST_METRICS = ("HR", "MRR"), ("P", "R", "NDCG", "MAP")
METRICS = tuple(f"{name}@{k}" for names in (NEXT_METRICS, REST_METRICS) for k in CUTOFFS for name in names)
"""Names of the columns of `query_metrics`."""


@dataclass(frozen=True)
class Truth:
    """Relevant items of Q queries."""

    target: I64
    """[Q] the next item."""
    indptr: I64
    """[Q + 1]"""
    rest: I64
    """Query q's distinct items from the next play on: `rest[indptr[q] : indptr[q + 1]]`, ascending."""

    def __getitem__(self, rows: slice) -> "Truth":
        """Return a range of queries."""
        indptr = self.indptr[rows.start : rows.stop + 1]
        return Truth(self.target[rows], indptr - indptr[0], self.rest[indptr[0] : indptr[-1]])


def query_metrics(lists: RankedItems, truth: Truth, n_items: int, depth: int = DEPTH) -> F64:
    """Return METRICS of each query [Q, M]. Ties count against the model, as in `jobs.evaluate.metrics.hit_ranks`.

    `depth`: the requested length of the lists; a shorter list has every item that the model can rank.
    """
    lists = _pad(lists, max(depth, *CUTOFFS))
    hit_next = (lists.items == truth.target[:, None]) & (lists.items != PADDING)
    n_relevant = np.diff(truth.indptr)
    query = np.repeat(np.arange(n_relevant.size), n_relevant)
    keys = query * n_items + truth.rest
    listed = np.arange(n_relevant.size)[:, None] * n_items + lists.items
    hit_rest = np.isin(listed, keys) & (lists.items != PADDING)
    next_columns = _next_metrics(_ties_against(lists, hit_next))
    return np.concatenate([next_columns, _rest_metrics(_ties_against(lists, hit_rest), n_relevant)], axis=1)


def _pad(lists: RankedItems, length: int) -> RankedItems:
    """Return lists of at least `length` slots."""
    missing = (0, 0), (0, max(0, length - lists.items.shape[1]))
    return RankedItems(
        np.pad(lists.items, missing, constant_values=PADDING), np.pad(lists.scores, missing, constant_values=-np.inf)
    )


def _ties_against(lists: RankedItems, hit: Mask) -> Mask:
    """Return the hits by rank, if relevant items rank last among equal scores; none of a tie at the end of a full list."""
    scores = lists.scores
    order = np.lexsort((hit, -scores), axis=1)
    ranked = np.take_along_axis(hit, order, 1)
    last = scores[:, -1:]
    tied_at_end = (scores == last) & ((scores == last).sum(1, keepdims=True) > 1) & (lists.items[:, -1:] != PADDING)
    counted: Mask = ranked & ~np.take_along_axis(tied_at_end, order, 1)
    return counted


def _next_metrics(hits: Mask) -> F64:
    columns = []
    reciprocal = 1 / np.arange(1, hits.shape[1] + 1)
    for k in CUTOFFS:
        columns += [hits[:, :k].any(1).astype(np.float64), hits[:, :k] @ reciprocal[:k]]
    return np.stack(columns, 1)


def _rest_metrics(hits: Mask, n_relevant: I64) -> F64:
    columns = []
    ranks = np.arange(1, hits.shape[1] + 1)
    gains = 1 / np.log2(1 + ranks)
    ideal = np.cumsum(gains)
    n_hits = np.cumsum(hits, axis=1)
    for k in CUTOFFS:
        limit = np.minimum(k, n_relevant)
        hits_at_k = n_hits[:, k - 1]
        precision_sum = (hits[:, :k] * n_hits[:, :k]) @ (1 / ranks[:k])
        columns += [hits_at_k / k, hits_at_k / n_relevant, hits[:, :k] @ gains[:k] / ideal[limit - 1], precision_sum / limit]
    return np.stack(columns, 1)
