"""EASE's weights from a U x U system instead of an I x I one, for data with fewer users than tracks.

With P = (X'X + L)^-1 as in models/ease.py, and the Woodbury identity:

    P = L^-1 - L^-1 X' C^-1 X L^-1,    C = I + X L^-1 X'  [U, U]
    B = I - P diag(1 / diag P),  so  B_ij = G_ij / (1 / L_jj - G_jj)  for i != j,   G = Y' C^-1 Y,  Y = X L^-1

Y is as sparse as X: beside the inverse of C the cost is I times the number of interactions.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array, diags_array

BLOCK_COLUMNS = 512
"""Columns of B that a thread computes at a time: 72 MB for 17,600 tracks."""


def weights(interactions: csr_array, penalty: NDArray[np.float64], pool: ThreadPoolExecutor) -> NDArray[np.float32]:
    """Return B [I, I] of binary `interactions` [U, I] and L's diagonal `penalty` [I]; the same bits for any number of threads."""
    n_users, n_tracks = interactions.shape
    scaled = csr_array(interactions @ diags_array(1.0 / penalty))  # Y
    inverse = invert((scaled @ interactions.T).toarray(order="F") + np.eye(n_users, order="F"))
    by_track = csr_array(scaled.T.tocsr())  # Y' [I, U]
    item_weights = np.empty((n_tracks, n_tracks), np.float32)

    def fill(start: int) -> None:
        columns = slice(start, min(start + BLOCK_COLUMNS, n_tracks))
        # rows of C^-1 are contiguous, and C^-1 is symmetric
        block = by_track @ np.ascontiguousarray((by_track[columns] @ inverse).T)  # G [I, columns]
        own = np.arange(columns.start, columns.stop), np.arange(columns.stop - columns.start)
        block /= 1.0 / penalty[columns] - block[own]
        block[own] = 0.0
        item_weights[:, columns] = block

    list(pool.map(fill, range(0, n_tracks, BLOCK_COLUMNS)))
    return item_weights


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert a symmetric positive definite matrix in Fortran order, in place. Raises LinAlgError for a singular one."""
    factor, not_definite = dpotrf(matrix, lower=1, overwrite_a=1)
    inverse, singular = dpotri(factor, lower=1, overwrite_c=1)
    if not_definite or singular:
        raise LinAlgError("The matrix is singular; set a regularization above 0.")
    for row in range(len(inverse)):
        inverse[row, row + 1 :] = inverse[row + 1 :, row]
    return np.asarray(inverse)
