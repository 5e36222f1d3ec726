"""Lists of session models: compiled top-k selection, and queries in blocks on a thread pool.

A kernel ranks the queries of a block one by one, with buffers of its own. A list depends on its query only: not on the
block, and not on the number of threads. Scores are summed in float64 and rounded to float32. Lists are ordered by the
rounded score, then by item id, so that sums in another order give the same list.
"""

import os
from collections.abc import Callable

import numpy as np
from numba import njit

from models.data.sessions import PADDING, RankedItems
from models.threads import thread_pool
from models.types import F32, F64, I64

MIN_BLOCK_QUERIES = 2_048
"""Queries of a block, at least: many compared with the allocation of a kernel's buffers."""
BLOCKS_PER_THREAD = 4
"""Blocks for each thread, so that threads finish together."""

BlockKernel = Callable[[int, int, I64, F32], object]
"""Ranks the queries from the first to before the second number; writes items [b, k] and scores [b, k] of the block."""


def rank_in_blocks(n_queries: int, k: int, kernel: BlockKernel, threads: int = 0) -> RankedItems:
    """Return the lists of all queries. `threads` 0: one per core."""
    items = np.full((n_queries, k), PADDING, np.int64)
    scores = np.full((n_queries, k), -np.inf, np.float32)
    size = max(MIN_BLOCK_QUERIES, -(-n_queries // (BLOCKS_PER_THREAD * (threads or os.cpu_count() or 1))))

    def rank(start: int) -> None:
        rows = slice(start, min(start + size, n_queries))
        kernel(rows.start, rows.stop, items[rows], scores[rows])

    with thread_pool(threads) as pool:
        list(pool.map(rank, range(0, n_queries, size)))
    return RankedItems(items, scores)


@njit(nogil=True, cache=True)
def select_top(item_ids: I64, count: int, scores: F64, list_items: I64, list_scores: F32) -> None:
    """Write the best of the first `count` of `item_ids` into the empty list `list_items`, `list_scores` [k].

    `scores` [I] float64, by item. An item whose rounded score is not above 0 is not listed.
    """
    size = 0
    for index in range(count):
        size = insert(item_ids[index], scores[item_ids[index]], size, list_items, list_scores)


@njit(nogil=True, cache=True)
def insert(item: int, score: float, size: int, list_items: I64, list_scores: F32) -> int:
    """Insert an item into a sorted list of `size` items if it is among the k best; return the new size."""
    rounded = np.float32(score)
    if not rounded > 0:
        return size
    position = size
    while position > 0 and (
        list_scores[position - 1] < rounded
        or (list_scores[position - 1] == rounded and list_items[position - 1] > item)
    ):
        position -= 1
    if position == list_items.size:
        return size
    size = min(size + 1, list_items.size)
    for slot in range(size - 1, position, -1):
        list_items[slot] = list_items[slot - 1]
        list_scores[slot] = list_scores[slot - 1]
    list_items[position] = item
    list_scores[position] = rounded
    return size
