"""Conjugate gradients of implicit ALS, a row at a time, compiled for the processor (the equation: models/als_rows.py).

What a row needs of the other side is fetched once and stays in the processor's nearest cache for all steps; four likes at a time
keep its vector units busy. The number of factors is the length of a tuple, and so a constant of the compiled code, whose loops
over factors are unrolled. A row's result depends on nothing but the row: blocks may be cut anywhere. Compiling takes some
seconds, once for each number of factors; numba keeps the code beside this file, or in the user's cache.
"""

import numpy as np
from numba import njit

from models.top_n import Floats, Ints

KEPT = 1_024
"""Likes of a row for which there is room at first."""


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _add_unseen(gram: Floats, by: Floats, to: Floats, rank: int) -> None:
    """Add a Y'Y by."""
    fours = rank // 4 * 4
    for f in range(0, fours, 4):
        b0, b1, b2, b3 = by[f], by[f + 1], by[f + 2], by[f + 3]
        for g in range(rank):
            to[g] += b0 * gram[f, g] + b1 * gram[f + 1, g] + b2 * gram[f + 2, g] + b3 * gram[f + 3, g]
    for f in range(fours, rank):
        b0 = by[f]
        for g in range(rank):
            to[g] += b0 * gram[f, g]


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _add_seen(mine: Floats, strengths: Floats, begin: int, count: int, by: Floats, to: Floats, rank: int) -> None:
    """Add the sum over the row's likes of s y (y . by)."""
    j = 0
    while j + 4 <= count:
        d0 = d1 = d2 = d3 = by[0] - by[0]  # 0 of the same kind
        for f in range(rank):
            d0 += mine[j, f] * by[f]
            d1 += mine[j + 1, f] * by[f]
            d2 += mine[j + 2, f] * by[f]
            d3 += mine[j + 3, f] * by[f]
        d0 *= strengths[begin + j]
        d1 *= strengths[begin + j + 1]
        d2 *= strengths[begin + j + 2]
        d3 *= strengths[begin + j + 3]
        for f in range(rank):
            to[f] += d0 * mine[j, f] + d1 * mine[j + 1, f] + d2 * mine[j + 2, f] + d3 * mine[j + 3, f]
        j += 4
    while j < count:
        d0 = by[0] - by[0]
        for f in range(rank):
            d0 += mine[j, f] * by[f]
        d0 *= strengths[begin + j]
        for f in range(rank):
            to[f] += d0 * mine[j, f]
        j += 1


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _fetch(
    columns: Ints,
    strengths: Floats,
    begin: int,
    count: int,
    items: Floats,
    unobserved: float,
    mine: Floats,
    left: Floats,
    rank: int,
) -> None:
    """Bring the row's items into `mine` [n, F], and the sum of (a + s) y into `left`."""
    for f in range(rank):
        left[f] = 0
    for j in range(count):
        weight = strengths[begin + j] + unobserved
        item = columns[begin + j]
        for f in range(rank):
            mine[j, f] = items[item, f]
            left[f] += weight * mine[j, f]


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _dot(one: Floats, other: Floats, rank: int) -> np.float32:
    found: np.float32 = one[0] * other[0]
    for f in range(1, rank):
        found += one[f] * other[f]
    return found


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _times(
    mine: Floats,
    strengths: Floats,
    begin: int,
    count: int,
    gram: Floats,
    penalty: float,
    by: Floats,
    to: Floats,
    rank: int,
) -> None:
    """The row's left side times `by`."""
    for f in range(rank):
        to[f] = penalty * by[f]
    _add_unseen(gram, by, to, rank)
    _add_seen(mine, strengths, begin, count, by, to, rank)


@njit(fastmath=True, nogil=True, cache=True)
def descend(
    sized: tuple[int, ...],
    ends: Ints,
    columns: Ints,
    strengths: Floats,
    items: Floats,
    gram: Floats,
    penalties: Floats,
    unobserved: float,
    start: Floats,
    steps: int,
    tolerance: float,
    found: Floats,
) -> None:
    """Write `found` [B, F]: `steps` of conjugate gradients from `start` [B, F]; rows without a like become 0.

    A row is done sooner where the square of what is left is at most `tolerance` times that of its right side.

    `sized`: a tuple of F numbers. `ends` [B + 1] (int64), `columns` (int32), `strengths`: the rows as a sparse matrix has them;
    `items` Y [I, F] float32, `gram` a Y'Y [F, F], `penalties` [B]. The others but whole numbers are float32, or all float64.
    """
    rank = len(sized)
    at, left = np.empty(rank, start.dtype), np.empty(rank, start.dtype)
    way, ahead = np.empty(rank, start.dtype), np.empty(rank, start.dtype)
    mine = np.empty((KEPT, rank), start.dtype)
    for row in range(ends.size - 1):
        begin, count, penalty = ends[row], ends[row + 1] - ends[row], penalties[row]
        if count == 0:
            found[row] = 0
            continue
        if count > mine.shape[0]:
            mine = np.empty((count + count // 2, rank), start.dtype)
        _fetch(columns, strengths, begin, count, items, unobserved, mine, left, rank)
        settled = tolerance * _dot(left, left, rank)
        at[:] = start[row]
        _times(mine, strengths, begin, count, gram, penalty, at, ahead, rank)
        for f in range(rank):
            left[f] -= ahead[f]
            way[f] = left[f]
        length = _dot(left, left, rank)
        for _ in range(steps):
            if length <= settled:
                break
            _times(mine, strengths, begin, count, gram, penalty, way, ahead, rank)
            bend = _dot(way, ahead, rank)
            if bend <= 0:  # what is left is below the smallest numbers there are
                break
            along = length / bend
            for f in range(rank):
                at[f] += along * way[f]
                left[f] -= along * ahead[f]
            shorter = _dot(left, left, rank)
            for f in range(rank):
                way[f] = left[f] + shorter / length * way[f]
            length = shorter
        found[row] = at
