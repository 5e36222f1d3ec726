"""Compiled CPU kernels of implicit ALS, one row at a time (equations: models/als_solver.py).

`cg_rows` takes conjugate-gradient steps. `contribution_rows` decomposes scores by history item with a Cholesky
factorization.

The factors Y_u of a row's items are gathered once and stay in the L1 cache. Four interactions at a time fill the vector
units. The rank is the length of a tuple, and so a compile-time constant: loops over factors are unrolled. A row's
result depends on the row only, so blocks may be split anywhere. Compilation takes seconds per rank; numba caches it
beside this file or in the user's cache.
"""

import numpy as np
from numba import njit

from models.types import F32, F64, I64

INITIAL_CAPACITY = 1_024
"""Interactions of a row for which buffers have room at first."""


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _add_gram_product(gram: F32, p: F32, out: F32, rank: int) -> None:
    """Add a Y'Y p to `out`."""
    fours = rank // 4 * 4
    for f in range(0, fours, 4):
        b0, b1, b2, b3 = p[f], p[f + 1], p[f + 2], p[f + 3]
        for g in range(rank):
            out[g] += b0 * gram[f, g] + b1 * gram[f + 1, g] + b2 * gram[f + 2, g] + b3 * gram[f + 3, g]
    for f in range(fours, rank):
        b0 = p[f]
        for g in range(rank):
            out[g] += b0 * gram[f, g]


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _add_observed_product(Y_u: F32, s: F32, start: int, count: int, p: F32, out: F32, rank: int) -> None:
    """Add the sum over the row's items of s y (y . p) to `out`."""
    j = 0
    while j + 4 <= count:
        d0 = d1 = d2 = d3 = p[0] - p[0]  # 0 of the same dtype
        for f in range(rank):
            d0 += Y_u[j, f] * p[f]
            d1 += Y_u[j + 1, f] * p[f]
            d2 += Y_u[j + 2, f] * p[f]
            d3 += Y_u[j + 3, f] * p[f]
        d0 *= s[start + j]
        d1 *= s[start + j + 1]
        d2 *= s[start + j + 2]
        d3 *= s[start + j + 3]
        for f in range(rank):
            out[f] += d0 * Y_u[j, f] + d1 * Y_u[j + 1, f] + d2 * Y_u[j + 2, f] + d3 * Y_u[j + 3, f]
        j += 4
    while j < count:
        d0 = p[0] - p[0]
        for f in range(rank):
            d0 += Y_u[j, f] * p[f]
        d0 *= s[start + j]
        for f in range(rank):
            out[f] += d0 * Y_u[j, f]
        j += 1


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _gather_with_rhs(
    indices: I64, s: F32, start: int, count: int, Y: F32, unobserved_weight: float, Y_u: F32, b: F32, rank: int
) -> None:
    """Gather the row's item factors into `Y_u` [n, F], and write the right side, the sum of (a + s) y, into `b`."""
    for f in range(rank):
        b[f] = 0
    for j in range(count):
        weight = s[start + j] + unobserved_weight
        item = indices[start + j]
        for f in range(rank):
            Y_u[j, f] = Y[item, f]
            b[f] += weight * Y_u[j, f]


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _dot(x: F32, y: F32, rank: int) -> np.float32:
    total: np.float32 = x[0] * y[0]
    for f in range(1, rank):
        total += x[f] * y[f]
    return total


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _apply_A(Y_u: F32, s: F32, start: int, count: int, gram: F32, penalty: float, p: F32, out: F32, rank: int) -> None:
    """Write A p into `out`; A is the row's left side."""
    for f in range(rank):
        out[f] = penalty * p[f]
    _add_gram_product(gram, p, out, rank)
    _add_observed_product(Y_u, s, start, count, p, out, rank)


@njit(fastmath=True, nogil=True, cache=True)
def cg_rows(
    rank_tuple: tuple[int, ...],
    indptr: I64,
    indices: I64,
    s: F32,
    Y: F32,
    gram: F32,
    penalties: F32,
    unobserved_weight: float,
    x0: F32,
    steps: int,
    tolerance: float,
    out: F32,
) -> None:
    """Write `steps` of conjugate gradients from `x0` [B, F] into `out` [B, F]; rows without interactions become 0.

    A row stops early once r'r <= `tolerance` * b'b.

    `rank_tuple`: F integers. `indptr` [B + 1] (int64), `indices` (int32), `s`: the rows as CSR. `Y` [I, F] float32,
    `gram` a Y'Y [F, F], `penalties` [B]. Floating-point arrays other than `Y` are all float32 or all float64.
    """
    rank = len(rank_tuple)
    x, r = np.empty(rank, x0.dtype), np.empty(rank, x0.dtype)
    p, Ap = np.empty(rank, x0.dtype), np.empty(rank, x0.dtype)
    Y_u = np.empty((INITIAL_CAPACITY, rank), x0.dtype)
    for row in range(indptr.size - 1):
        start, count, penalty = indptr[row], indptr[row + 1] - indptr[row], penalties[row]
        if count == 0:
            out[row] = 0
            continue
        if count > Y_u.shape[0]:
            Y_u = np.empty((count + count // 2, rank), x0.dtype)
        _gather_with_rhs(indices, s, start, count, Y, unobserved_weight, Y_u, r, rank)
        target = tolerance * _dot(r, r, rank)
        x[:] = x0[row]
        _apply_A(Y_u, s, start, count, gram, penalty, x, Ap, rank)
        for f in range(rank):
            r[f] -= Ap[f]
            p[f] = r[f]
        rr = _dot(r, r, rank)
        for _ in range(steps):
            if rr <= target:
                break
            _apply_A(Y_u, s, start, count, gram, penalty, p, Ap, rank)
            pAp = _dot(p, Ap, rank)
            if pAp <= 0:  # the residual is below the smallest numbers of the dtype
                break
            alpha = rr / pAp
            for f in range(rank):
                x[f] += alpha * p[f]
                r[f] -= alpha * Ap[f]
            rr_next = _dot(r, r, rank)
            for f in range(rank):
                p[f] = r[f] + rr_next / rr * p[f]
            rr = rr_next
        out[row] = x


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _gather(indices: I64, start: int, count: int, Y: F32, Y_u: F64, rank: int) -> None:
    """Gather the row's item factors into `Y_u` [n, F]."""
    for j in range(count):
        for f in range(rank):
            Y_u[j, f] = Y[indices[start + j], f]


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _build_A(Y_u: F64, s: F64, start: int, count: int, gram: F64, penalty: float, A: F64, rank: int) -> None:
    """Write a Y'Y + sum of s y y' + penalty I into `A` [F, F]."""
    for f in range(rank):
        for g in range(rank):
            A[f, g] = gram[f, g]
        A[f, f] += penalty
    j = 0
    while j + 4 <= count:
        s0, s1, s2, s3 = s[start + j], s[start + j + 1], s[start + j + 2], s[start + j + 3]
        for f in range(rank):
            d0, d1, d2, d3 = s0 * Y_u[j, f], s1 * Y_u[j + 1, f], s2 * Y_u[j + 2, f], s3 * Y_u[j + 3, f]
            for g in range(rank):
                A[f, g] += d0 * Y_u[j, g] + d1 * Y_u[j + 1, g] + d2 * Y_u[j + 2, g] + d3 * Y_u[j + 3, g]
        j += 4
    while j < count:
        for f in range(rank):
            d0 = s[start + j] * Y_u[j, f]
            for g in range(rank):
                A[f, g] += d0 * Y_u[j, g]
        j += 1


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _cholesky(A: F64, column: F64, rank: int) -> bool:
    """Replace the lower triangle of `A` by its Cholesky factor; return False if A is not positive definite."""
    for k in range(rank):
        if not A[k, k] > 0.0:
            return False
        root = np.sqrt(A[k, k])
        A[k, k] = root
        for i in range(k + 1, rank):
            A[i, k] /= root
            column[i] = A[i, k]
        for i in range(k + 1, rank):
            factor = column[i]
            for j in range(k + 1, i + 1):
                A[i, j] -= factor * column[j]
    return True


@njit(inline="always", fastmath=True, nogil=True, cache=True)
def _cholesky_solve(L: F64, rhs: F64, n_columns: int, rank: int) -> None:
    """Solve L L' X = `rhs` [F, N] in place."""
    for f in range(rank):
        for k in range(f):
            factor = L[f, k]
            for n in range(n_columns):
                rhs[f, n] -= factor * rhs[k, n]
        for n in range(n_columns):
            rhs[f, n] /= L[f, f]
    for f in range(rank - 1, -1, -1):
        for k in range(f + 1, rank):
            factor = L[k, f]
            for n in range(n_columns):
                rhs[f, n] -= factor * rhs[k, n]
        for n in range(n_columns):
            rhs[f, n] /= L[f, f]


@njit(fastmath=True, nogil=True, cache=True)
def contribution_rows(
    rank_tuple: tuple[int, ...],
    indptr: I64,
    indices: I64,
    s: F64,
    Y: F32,
    gram: F64,
    penalties: F64,
    unobserved_weight: float,
    item_indptr: I64,
    item_ids: I64,
    out: F32,
) -> bool:
    """Write into `out`, row after row, the contributions [N, n] of a row's n history items to the scores of its N
    items.

    Returns False if a row's left side is not positive definite; `out` is invalid then. Arguments as in `cg_rows`,
    float64. `item_indptr` [B + 1] and `item_ids`: the items of each row.
    """
    rank = len(rank_tuple)
    A, column = np.empty((rank, rank)), np.empty(rank)
    Y_u, W = np.empty((INITIAL_CAPACITY, rank)), np.empty((rank, 32))
    offset = 0
    for row in range(indptr.size - 1):
        start, count = indptr[row], indptr[row + 1] - indptr[row]
        items = item_ids[item_indptr[row] : item_indptr[row + 1]]
        n_items = items.size
        if count == 0 or n_items == 0:
            continue
        if count > Y_u.shape[0]:
            Y_u = np.empty((count + count // 2, rank))
        if n_items > W.shape[1]:
            W = np.empty((rank, n_items))
        _gather(indices, start, count, Y, Y_u, rank)
        _build_A(Y_u, s, start, count, gram, penalties[row], A, rank)
        if not _cholesky(A, column, rank):
            return False
        for n in range(n_items):
            for f in range(rank):
                W[f, n] = Y[items[n], f]
        _cholesky_solve(A, W, n_items, rank)
        for n in range(n_items):
            for f in range(rank):
                column[f] = W[f, n]
            for j in range(count):
                contribution = 0.0
                for f in range(rank):
                    contribution += column[f] * Y_u[j, f]
                out[offset + n * count + j] = contribution * (s[start + j] + unobserved_weight)
        offset += n_items * count
    return True
