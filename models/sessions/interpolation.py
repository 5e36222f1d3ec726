"""Interpolation of n-grams of several orders and skip-grams: the fitted arrays, the model, and its compiled steps."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from models.data.sessions import PADDING, RankedItems, SessionQueries
from models.sessions.neighbors import QueryArrays, query_arrays
from models.sessions.ngrams import NGrams
from models.sessions.ranking import insert, rank_in_blocks, select_top
from models.types import F32, F64, I64, Mask, Tensors


class Interpolation(NamedTuple):
    """Scores of a mixture of orders: s_d(i) = a_d(i) + b_d s_{d-1}(i), from the empty context to the deepest known one.

    s_0(i) = (mu r(i) + sum over gaps g < G of w_g S[x_g, i]) / (mu + sum of w_g), with x_g the known play g places
    before the newest. Without skip-grams (G = 0) s_0 = r.
    """

    keys: I64
    """[C - 1] as of NGrams."""
    indptr: I64
    """[C + 1]"""
    items: I64
    """[E]"""
    weights: F64
    """[E] a_d of each entry, above 0 or not."""
    backoff: F64
    """[C] b_d of each node; not used for node 0."""
    root_scores: F64
    """[I] r."""
    root_order: I64
    """[R] items with r > 0, best first, ties by item id."""
    skip_indptr: I64
    """[I + 1] rows of S."""
    skip_items: I64
    skip_scores: F32
    gap_weights: F64
    """[G] w."""
    root_weight: F64
    """[1] mu."""


class SkipGrams(NamedTuple):
    """S as CSR, and the weights of s_0."""

    indptr: I64
    items: I64
    scores: F32
    gap_weights: F64
    root_weight: float


def no_skip_grams(n_items: int) -> SkipGrams:
    """Return empty rows: s_0 = r."""
    return SkipGrams(np.zeros(n_items + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0), 1.0)


def interpolation(ngrams: NGrams, weights: F64, backoff: F64, skip: SkipGrams | None = None) -> Interpolation:
    """Return the mixture with a_d [E] and b_d [C]; r is a_0."""
    root = np.zeros(ngrams.n_items)
    n_root = ngrams.indptr[1]
    root[ngrams.items[:n_root]] = weights[:n_root]
    best_first = np.lexsort((np.arange(root.size), -root.astype(np.float32)))
    order = best_first[root[best_first] > 0]
    skip = skip or no_skip_grams(ngrams.n_items)
    return Interpolation(
        ngrams.keys,
        ngrams.indptr,
        ngrams.items,
        weights,
        backoff,
        root,
        order,
        skip.indptr,
        skip.items,
        skip.scores,
        skip.gap_weights,
        np.array([skip.root_weight]),
    )


@dataclass(frozen=True)
class InterpolatedNGrams:
    """A fitted mixture of n-grams."""

    mixture: Interpolation
    depth: int
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query; queries without a known context get the root's list."""

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            rank_interpolated(query_arrays(queries, first, last), self.mixture, self.depth, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return the arrays of the mixture, and `depth` [1]."""
        return {**self.mixture._asdict(), "depth": np.array([self.depth])}

    @classmethod
    def from_tensors(cls, tensors: Tensors, threads: int = 0) -> "InterpolatedNGrams":
        """Return the model of `tensors()`."""
        mixture = Interpolation(*(tensors[name] for name in Interpolation._fields))
        return cls(mixture, int(tensors["depth"][0]), threads)


@njit(nogil=True, cache=True)
def find_child(keys: I64, parent: int, item: int, n_items: int) -> int:
    """Return the node that adds `item` to the context `parent`; -1 if it is unknown."""
    key = parent * n_items + item
    index = int(np.searchsorted(keys, key))
    if index == keys.size or keys[index] != key:
        return -1
    return index + 1


@njit(nogil=True, cache=True)
def find_path(items: I64, start: int, end: int, keys: I64, n_items: int, path: I64) -> int:
    """Write the known contexts of the plays before `end` into `path` [depth + 1], from order 0 on; return their number."""
    path[0] = 0
    order, play = 0, end - 1
    while play >= start and order + 1 < path.size:
        item = items[play]
        play -= 1
        if item == PADDING:
            continue
        node = find_child(keys, path[order], item, n_items)
        if node < 0:
            break
        order += 1
        path[order] = node
    return order + 1


class _Scores(NamedTuple):
    """Buffers of a block. `scores` and `is_touched` are zero between queries."""

    scores: F64
    """[I]"""
    is_touched: Mask
    """[I]"""
    touched: I64
    """[I]"""


@njit(nogil=True, cache=True)
def _add(item: int, score: float, count: int, buffers: _Scores) -> int:
    """Add to an item's score; return the number of touched items."""
    buffers.scores[item] += score
    if buffers.is_touched[item]:
        return count
    buffers.is_touched[item] = True
    buffers.touched[count] = item
    return count + 1


@njit(nogil=True, cache=True)
def _add_skip_grams(
    queries: QueryArrays, query: int, factor: float, count: int, mixture: Interpolation, buffers: _Scores
) -> tuple[int, float]:
    """Add the skip-grams of s_0, times `factor`; return the number of touched items, and the factor of r."""
    total, gap, play = mixture.root_weight[0], 0, queries.ends[query] - 1
    oldest = play + 1
    while play >= queries.starts[query] and gap < mixture.gap_weights.size:
        if queries.items[play] != PADDING:
            total += mixture.gap_weights[gap]
            gap += 1
            oldest = play
        play -= 1
    gap = 0
    for play in range(queries.ends[query] - 1, oldest - 1, -1):
        item = queries.items[play]
        if item == PADDING:
            continue
        weight = factor * mixture.gap_weights[gap] / total
        gap += 1
        for entry in range(mixture.skip_indptr[item], mixture.skip_indptr[item + 1]):
            count = _add(mixture.skip_items[entry], weight * mixture.skip_scores[entry], count, buffers)
    return count, factor * mixture.root_weight[0] / total


@njit(nogil=True, cache=True)
def rank_interpolated(
    queries: QueryArrays, mixture: Interpolation, depth: int, list_items: I64, list_scores: F32
) -> None:
    """Write the lists of the queries of a block. Items that no context and no skip-gram has are scored by r alone."""
    n_items = mixture.root_scores.size
    buffers = _Scores(np.zeros(n_items), np.zeros(n_items, np.bool_), np.empty(n_items, np.int64))
    path = np.zeros(depth + 1, np.int64)
    for query in range(queries.starts.size):
        n_orders = find_path(queries.items, queries.starts[query], queries.ends[query], mixture.keys, n_items, path)
        count, factor = 0, 1.0
        for order in range(n_orders - 1, 0, -1):
            node = path[order]
            for entry in range(mixture.indptr[node], mixture.indptr[node + 1]):
                count = _add(mixture.items[entry], factor * mixture.weights[entry], count, buffers)
            factor *= mixture.backoff[node]
        count, factor = _add_skip_grams(queries, query, factor, count, mixture, buffers)
        for index in range(count):
            item = buffers.touched[index]
            buffers.scores[item] += factor * mixture.root_scores[item]
        select_top(buffers.touched, count, buffers.scores, list_items[query], list_scores[query])
        _insert_from_root(factor, mixture, buffers.is_touched, list_items[query], list_scores[query])
        for index in range(count):
            buffers.scores[buffers.touched[index]] = 0.0
            buffers.is_touched[buffers.touched[index]] = False


@njit(nogil=True, cache=True)
def _insert_from_root(
    factor: float, mixture: Interpolation, is_touched: Mask, list_items: I64, list_scores: F32
) -> None:
    """Insert the untouched items into a list, best first, until one is not among the k best."""
    size = 0
    while size < list_items.size and list_items[size] != PADDING:
        size += 1
    worst = list_items.size - 1
    for item in mixture.root_order:
        if is_touched[item]:
            continue
        score = factor * mixture.root_scores[item]
        if not np.float32(score) > 0 or (size > worst and np.float32(score) < list_scores[worst]):
            return
        size = insert(item, score, size, list_items, list_scores)
