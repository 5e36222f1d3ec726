"""What each like adds to a score of implicit ALS, a row at a time, compiled for the processor (Hu, Koren, Volinsky, section 5).

    x_u . y_i = sum over j in S_u of (y_i' W_u y_j) (a + s_uj),  W_u the inverse of the row's left side (models/als_rows.py)

The left side is decomposed once for a row (Cholesky), all items picked for it are solved beside each other, in float64.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.top_n import Floats, Ints

Doubles = NDArray[np.float64]

KEPT = 1_024
"""Likes of a row for which there is room at first."""


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _left_side(
    mine: Doubles, strengths: Doubles, begin: int, count: int, gram: Doubles, penalty: float, lower: Doubles, rank: int
) -> None:
    """Write a Y'Y + sum of s y y' + penalty into `lower` [F, F]."""
    for f in range(rank):
        for g in range(rank):
            lower[f, g] = gram[f, g]
        lower[f, f] += penalty
    j = 0
    while j + 4 <= count:
        s0, s1, s2, s3 = (
            strengths[begin + j],
            strengths[begin + j + 1],
            strengths[begin + j + 2],
            strengths[begin + j + 3],
        )
        for f in range(rank):
            d0, d1, d2, d3 = s0 * mine[j, f], s1 * mine[j + 1, f], s2 * mine[j + 2, f], s3 * mine[j + 3, f]
            for g in range(rank):
                lower[f, g] += d0 * mine[j, g] + d1 * mine[j + 1, g] + d2 * mine[j + 2, g] + d3 * mine[j + 3, g]
        j += 4
    while j < count:
        for f in range(rank):
            d0 = strengths[begin + j] * mine[j, f]
            for g in range(rank):
                lower[f, g] += d0 * mine[j, g]
        j += 1


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _fetch(columns: Ints, begin: int, count: int, items: Floats, mine: Doubles, rank: int) -> None:
    """Bring the row's items into `mine` [n, F]."""
    for j in range(count):
        for f in range(rank):
            mine[j, f] = items[columns[begin + j], f]


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _decompose(lower: Doubles, column: Doubles, rank: int) -> bool:
    """Cholesky in place: what stands above the diagonal afterwards means nothing. False where there is none."""
    for k in range(rank):
        if not lower[k, k] > 0.0:
            return False
        root = np.sqrt(lower[k, k])
        lower[k, k] = root
        for i in range(k + 1, rank):
            lower[i, k] /= root
            column[i] = lower[i, k]
        for i in range(k + 1, rank):
            by = column[i]
            for j in range(k + 1, i + 1):
                lower[i, j] -= by * column[j]
    return True


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _substitute(lower: Doubles, towards: Doubles, many: int, rank: int) -> None:
    """Solve for all `many` columns of `towards` [F, N], in place."""
    for f in range(rank):
        for k in range(f):
            by = lower[f, k]
            for n in range(many):
                towards[f, n] -= by * towards[k, n]
        for n in range(many):
            towards[f, n] /= lower[f, f]
    for f in range(rank - 1, -1, -1):
        for k in range(f + 1, rank):
            by = lower[k, f]
            for n in range(many):
                towards[f, n] -= by * towards[k, n]
        for n in range(many):
            towards[f, n] /= lower[f, f]


@njit(fastmath=True, nogil=True, cache=True)
def share(
    sized: tuple[int, ...],
    ends: Ints,
    columns: Ints,
    strengths: Doubles,
    items: Floats,
    gram: Doubles,
    penalties: Doubles,
    unobserved: float,
    picked_ends: Ints,
    picked: Ints,
    found: Floats,
) -> bool:
    """Write `found`: for each row, [N, n] of its N picked items and n likes, one row after the other.

    False where a row's left side is not positive definite: what is found is not to be used then.

    `sized`: a tuple of F numbers. `ends` [B + 1], `columns`, `strengths` (float64): the rows' likes as a sparse matrix has them;
    `items` Y [I, F] float32, `gram` a Y'Y [F, F], `penalties` [B]; `picked_ends` [B + 1] and `picked`: the items of each row.
    """
    rank = len(sized)
    lower, column = np.empty((rank, rank)), np.empty(rank)
    mine, towards = np.empty((KEPT, rank)), np.empty((rank, 32))
    at = 0
    for row in range(ends.size - 1):
        begin, count = ends[row], ends[row + 1] - ends[row]
        chosen = picked[picked_ends[row] : picked_ends[row + 1]]
        many = chosen.size
        if count == 0 or many == 0:
            continue
        if count > mine.shape[0]:
            mine = np.empty((count + count // 2, rank))
        if many > towards.shape[1]:
            towards = np.empty((rank, many))
        _fetch(columns, begin, count, items, mine, rank)
        _left_side(mine, strengths, begin, count, gram, penalties[row], lower, rank)
        if not _decompose(lower, column, rank):
            return False
        for n in range(many):
            for f in range(rank):
                towards[f, n] = items[chosen[n], f]
        _substitute(lower, towards, many, rank)
        for n in range(many):
            for f in range(rank):
                column[f] = towards[f, n]
            for j in range(count):
                carried = 0.0
                for f in range(rank):
                    carried += column[f] * mine[j, f]
                found[at + n * count + j] = carried * (strengths[begin + j] + unobserved)
        at += many * count
    return True
