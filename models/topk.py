"""Exact top-k selection with ties broken by item id; top-n recommendation and re-ranking of queries."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.data.sessions import SessionQueries
from models.protocol import CandidateFilter, Recommender, Reranker
from models.queries import Queries
from models.types import F32, F64, I64, Mask

PRUNE_FACTOR = 4
"""With more than PRUNE_FACTOR * k candidates per row, those below the k-th score are dropped before sorting."""


@dataclass(frozen=True)
class TopK:
    """The best items of each query: flat arrays, queries ascending, best first, ties by item id."""

    row: I64
    item: I64
    rank: I64
    """0 is the best."""
    score: F64


def concat_topk(parts: list[TopK]) -> TopK:
    """Join results of disjoint sets of queries and sort them by query."""
    empty = np.empty(0, np.int64)
    parts = [TopK(empty, empty, empty, np.empty(0)), *parts]
    row, item, rank, score = (np.concatenate([getattr(part, name) for part in parts]) for name in TopK.__annotations__)
    order = np.argsort(row, kind="stable")
    return TopK(row[order], item[order], rank[order], score[order])


def top_k(scores: NDArray[np.floating], ids: I64, k: int) -> I64:
    """Return the positions of the k largest of n scores, best first, ties by id. Fewer than k if n < k."""
    positions = np.arange(scores.size)
    if scores.size > PRUNE_FACTOR * k > 0:
        positions = np.flatnonzero(scores >= np.partition(scores, scores.size - k)[scores.size - k])
    return positions[np.lexsort((ids[positions], -scores[positions]))][:k]


def top_k_per_row(
    rows: I64, ids: I64, scores: NDArray[np.floating], k: int, tie_break: NDArray[np.floating] | None = None
) -> I64:
    """Return the positions of each row's k best (row, id) pairs: rows ascending, best first.

    Ties: the larger `tie_break` first, then the smaller id.
    """
    positions = np.arange(rows.size)
    if rows.size and rows.size > 2 * PRUNE_FACTOR * k * np.unique(rows).size:
        positions = _reaching_kth(rows, scores, k)
    keys = [ids[positions], -scores[positions], rows[positions]]
    if tie_break is not None:
        keys.insert(1, -tie_break[positions])
    order = positions[np.lexsort(tuple(keys))]
    return order[rank_in_row(rows[order]) < k]


def rank_in_row(rows: I64) -> I64:
    """Return the rank [n], from 0, of each element within its row; `rows` must ascend."""
    return np.arange(rows.size) - np.searchsorted(rows, rows)


def _reaching_kth(rows: I64, scores: NDArray[np.floating], k: int) -> I64:
    """Return the positions of scores that are not below the k-th best of their row."""
    by_row = np.argsort(rows, kind="stable")
    retained = []
    for positions in np.split(by_row, np.flatnonzero(np.diff(rows[by_row])) + 1):
        row_scores = scores[positions]
        if positions.size > k:
            kth = np.partition(row_scores, positions.size - k)[positions.size - k]
            retained.append(positions[row_scores >= kth])
        else:
            retained.append(positions)
    return np.concatenate(retained)


def seen_mask(user_items: csr_array) -> Mask:
    """Return a mask [Q, I] that is True where a query has a stored rating."""
    mask = np.zeros(user_items.shape, dtype=bool)
    mask[np.repeat(np.arange(user_items.shape[0]), np.diff(user_items.indptr)), user_items.indices] = True
    return mask


def recommend(
    model: Recommender,
    queries: Queries,
    n: int,
    candidates: CandidateFilter = "exclude_seen",
    batch_size: int = 500,
) -> Iterator[tuple[I64, I64, F32]]:
    """Yield (row, item, score) of the n best candidates of each query, best first, ties by item id. Exact.

    Yields one batch of queries at a time: scores of 500 queries x 50,000 tracks take 100 MB. A row with fewer
    candidates is shorter.
    """
    for start in range(0, len(queries), batch_size):
        batch = queries[start : start + batch_size]
        scores = np.array(model.score(batch), dtype=np.float32)
        if candidates != "all":
            seen = seen_mask(batch.user_items)
            scores[seen if candidates == "exclude_seen" else ~seen] = -np.inf
        items = []
        for row_scores in scores:
            eligible = np.flatnonzero(np.isfinite(row_scores))
            items.append(eligible[top_k(row_scores[eligible], eligible, n)])
        row = np.repeat(np.arange(len(items)), [row_items.size for row_items in items])
        item = np.concatenate(items)
        yield row + start, item, scores[row, item]


def rerank(reranker: Reranker, queries: SessionQueries, candidates: I64, n: int) -> tuple[I64, I64, F32]:
    """Return (row, item, score) of the n best `candidates` [Q, C] of each query, best first, ties by item id.

    `candidates`: item ids; -1 for padding.
    """
    scores = np.asarray(reranker.score(queries, candidates), dtype=np.float32)
    row, column = np.nonzero(candidates >= 0)
    item, score = candidates[row, column], scores[row, column]
    best = top_k_per_row(row, item, score, n)
    return row[best], item[best], score[best]
