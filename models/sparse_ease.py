"""Sparse EASE: EASE for large catalogues; each track is predicted from its nearest neighbors only.

    N(j) = the k tracks most similar to j (shrunken cosine, models/cooccurrence.py)
    min over b of ||X_j - X_N b||^2 + lambda ||b||^2        so  (G_NN + lambda I) b = G_Nj,   G = X'X
    score(u, j) = sum over liked items i of u in N(j) of b_i

This is fsSLIM (Ning and Karypis 2011, section IV.C: feature selection by similarity, then regression) without its l1
penalty and its constraint b >= 0, which leaves a linear system. If N(j) is all other tracks it is EASE (Steck 2019). A
track without a common user is never a neighbor, although EASE may give it a (negative) weight.

Memory: the interactions twice, by user and by track; 8 k bytes per track for the model (308 MB for 384,546 tracks and k
= 100) and 24 k at the peak; and MAX_SYSTEM_BYTES. G is never complete in memory: its rows are counted one at a time,
and only the entries that the current batch of systems needs are kept. Similar tracks share a batch, so that each batch
needs few rows.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import LinAlgError
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from models.cooccurrence import N_CHUNKS, CooccurrenceMatrix, nearest_neighbors
from models.interactions import binarize
from models.item_item import ItemItemModel
from models.protocol import CatalogTooLargeError
from models.threads import thread_pool
from models.types import F32, I64, Mask

MAX_BYTES = 8 * 1024**3
"""Limit of the neighborhoods (24 bytes per weight) and of one system (24 bytes per pair of neighbors)."""
MAX_SYSTEM_BYTES = 1024**3
"""Bytes of a batch of systems, 4 k^2 each: 26,843 systems of 100 neighbors."""
MAX_SOLVE_CELLS = 4_000_000
"""Numbers of the systems that one thread solves at once: 32 MB, and as much again for their Cholesky factors."""


@dataclass(frozen=True)
class SparseEASEConfig:
    """Hyper-parameters."""

    min_rating: float = 1.0
    """T_R: ratings from here on are a 1 in X."""
    neighbors: int = 100
    """k: tracks from which each track is predicted."""
    shrinkage: float = 50.0
    """Shrinkage of the similarity that selects neighbors, in users."""
    regularization: float = 100.0
    """lambda, in users."""


def fit(ratings: csr_array, config: SparseEASEConfig, threads: int = 0) -> ItemItemModel:
    """Solve the regression of every track. `ratings` [U, I]; `threads` 0: one per core. Results do not depend on
    `threads`.

    Raises CatalogTooLargeError if the neighborhoods, or one system, need more than MAX_BYTES.
    """
    n_tracks = ratings.shape[1]
    k = min(config.neighbors, max(1, n_tracks - 1))
    if (required := 24 * max(n_tracks * k, k**2)) > MAX_BYTES:
        raise CatalogTooLargeError(
            f"sparse EASE may use {MAX_BYTES / 2**30:.0f} GiB; {n_tracks:,} tracks with {k:,} neighbors need "
            f"{required / 2**30:.0f} GiB. Set fewer neighbors."
        )
    matrix = CooccurrenceMatrix(binarize(ratings, config.min_rating))
    with thread_pool(threads) as pool:
        weights = _all_pairs(n_tracks) if k >= n_tracks - 1 else nearest_neighbors(matrix, k, config.shrinkage, pool)
        for targets in _target_batches(weights, max(1, MAX_SYSTEM_BYTES // (4 * k**2))):
            _fit_targets(matrix, weights, targets, config.regularization, pool)
    return ItemItemModel(csr_array(weights.T.tocsr()), config.min_rating)


def _all_pairs(n_tracks: int) -> csr_array:
    """Return the neighborhoods of EASE [I, I]: all other tracks."""
    return csr_array(np.ones((n_tracks, n_tracks), dtype=np.float32) - np.eye(n_tracks, dtype=np.float32))


def _target_batches(neighbors: csr_array, max_targets: int) -> list[I64]:
    """Split the targets into batches of at most `max_targets`, similar tracks together."""
    order = reverse_cuthill_mckee(neighbors, symmetric_mode=False).astype(np.int64)
    return [order[start : start + max_targets] for start in range(0, order.size, max_targets)]


def _fit_targets(
    matrix: CooccurrenceMatrix, weights: csr_array, targets: I64, regularization: float, pool: ThreadPoolExecutor
) -> None:
    """Replace the targets' similarities in `weights` by regression weights, in place."""
    systems = _build_systems(matrix, weights, targets, pool)
    weights.data[systems.entries[systems.valid]] = _solve(systems, regularization, pool)[systems.valid]


@dataclass(frozen=True)
class _Systems:
    """The regressions of t targets, padded to k neighbors with a track without interactions."""

    entries: I64
    """[t, k] index of each weight in `weights.data`."""
    valid: Mask
    """[t, k] False for padding."""
    gram: F32
    """G_NN [t, k, k]; float32 counts up to 16.7 million common users exactly."""
    rhs: F32
    """G_Nj [t, k]."""


def _build_systems(
    matrix: CooccurrenceMatrix, neighbors: csr_array, targets: I64, pool: ThreadPoolExecutor
) -> _Systems:
    """Count the row of X'X of each neighbor once, and copy its entries into every system that contains the neighbor."""
    counts, padding = np.diff(neighbors.indptr)[targets], neighbors.shape[0]
    slots = np.arange(max(1, counts.max()))
    valid = slots < counts[:, None]
    entries = neighbors.indptr[targets].astype(np.int64)[:, None] + slots
    table = np.full(entries.shape, padding)  # [t, k] neighbors
    table[valid] = neighbors.indices[entries[valid]]
    gram = np.empty((*table.shape, slots.size), dtype=np.float32)
    rhs = np.empty(table.shape, dtype=np.float32)
    order = np.argsort(table, axis=None, kind="stable")
    tracks, starts = np.unique(table.ravel()[order], return_index=True)
    cells = dict(zip(tracks.tolist(), np.split(order, starts[1:]), strict=True))
    gram[~valid], rhs[~valid] = 0.0, 0.0

    def copy_rows(chunk: I64) -> None:
        dense_row = np.zeros(padding + 1, dtype=np.float32)
        for track in chunk.tolist():
            columns, common = matrix.row(track)
            dense_row[columns] = common
            system, slot = np.divmod(cells[track], slots.size)
            gram[system, slot] = dense_row[table[system]]
            rhs[system, slot] = dense_row[targets[system]]
            dense_row[columns] = 0.0

    list(pool.map(copy_rows, matrix.chunks(tracks[tracks < padding], N_CHUNKS)))
    return _Systems(entries, valid, gram, rhs)


def _solve(systems: _Systems, regularization: float, pool: ThreadPoolExecutor) -> F32:
    """Return b [t, k] of each system. Raises LinAlgError if one is singular."""

    def solve_rows(rows: slice) -> F32:
        lhs = torch.from_numpy(systems.gram[rows]).double()
        lhs.diagonal(dim1=1, dim2=2).add_(regularization)
        lower, failed = torch.linalg.cholesky_ex(lhs)
        if failed.any():
            raise LinAlgError("G_NN + lambda I is singular; set a regularization above 0.")
        rhs = torch.from_numpy(systems.rhs[rows]).double()
        return np.asarray(torch.cholesky_solve(rhs[:, :, None], lower)[:, :, 0].float().numpy())

    n_targets, k = systems.rhs.shape
    size = max(1, MAX_SOLVE_CELLS // k**2)
    return np.concatenate(
        list(pool.map(solve_rows, [slice(start, start + size) for start in range(0, n_targets, size)]))
    )
