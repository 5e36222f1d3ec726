"""Sparse EASE: EASE for large catalogues, each track predicted by its nearest neighbours alone.

    N(j) = the k tracks most similar to j (shrunken cosine, models/neighbours.py)
    min over b of ||X_j - X_N b||^2 + lambda ||b||^2        so  (G_NN + lambda I) b = G_Nj,   G = X'X
    score(u, j) = sum over i in N(j) that u likes of b_i

This is fsSLIM (Ning and Karypis 2011, section IV.C: neighbours chosen by similarity, then the regression) without its l1 penalty
and its b >= 0, which makes it a linear system; where N(j) is everything else it is EASE (Steck 2019), whose columns are these very
regressions. A track with which j shares no listener is no neighbour, although EASE may give it a (negative) weight.

Memory: likes twice, by user and by track; 8 k bytes per track that stay (308 MB for 384,546 tracks, k = 100), 24 k at their
peak; and GRAMS for the systems at work. X'X is never whole: its rows are counted one at a time, and only what the systems at work
need of them is kept. A row may be counted once for each set of systems; tracks that are near one another stand in the same set.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from models.item_weights import ItemWeights
from models.neighbours import PIECES, Audience, nearest
from models.top_n import Floats, Ints, TooLarge, liked
from models.workers import workers

MOST_BYTES = 8 * 1024**3
"""Of neighbourhoods (24 bytes a weight) or of one system (24 bytes a pair of neighbours), whichever is more."""
GRAMS = 1024**3
"""Bytes of the systems that are set up together, 4 k^2 each: 26,843 systems of 100 neighbours."""
SOLVED = 4_000_000
"""Numbers of the systems that one thread solves together: 32 MB, and the same again for their factors."""


@dataclass(frozen=True)
class SparseEASEConfig:
    """Neighbours and penalty."""

    min_rating: float = 1.0
    """T_R: ratings from here on are a 1 in X."""
    neighbours: int = 100
    """k: tracks by which each track is predicted."""
    shrinkage: float = 50.0
    """Listeners by which a similarity is held back when neighbours are chosen."""
    regularisation: float = 100.0
    """lambda, in listeners."""


def fit(ratings: csr_array, config: SparseEASEConfig, threads: int = 0) -> ItemWeights:
    """Solve every track's regression. `ratings` [U, I]; `threads`: 0: as many as there are cores; the same bits whatever they are.

    Raises TooLarge where neighbourhoods, or a single system, would pass MOST_BYTES.
    """
    tracks = ratings.shape[1]
    most = min(config.neighbours, max(1, tracks - 1))
    if (needed := 24 * max(tracks * most, most**2)) > MOST_BYTES:
        raise TooLarge(
            f"sparse EASE takes up to {MOST_BYTES / 2**30:.0f} GiB, and {tracks:,} tracks of {most:,} neighbours need "
            f"{needed / 2**30:.0f} GiB; give it fewer neighbours."
        )
    audience = Audience(liked(ratings, config.min_rating))
    with workers(threads) as pool:
        near = _everything_else(tracks) if most >= tracks - 1 else nearest(audience, most, config.shrinkage, pool)
        for targets in _together(near, max(1, GRAMS // (4 * most**2))):
            _weigh(audience, near, targets, config.regularisation, pool)
    return ItemWeights(csr_array(near.T.tocsr()), config.min_rating)


def _everything_else(tracks: int) -> csr_array:
    """[I, I]: the neighbourhoods of EASE."""
    return csr_array(np.ones((tracks, tracks), dtype=np.float32) - np.eye(tracks, dtype=np.float32))


def _together(near: csr_array, most: int) -> list[Ints]:
    """Targets in sets of at most `most`, neighbours beside one another, so that a set needs few rows of X'X."""
    order = reverse_cuthill_mckee(near, symmetric_mode=False).astype(np.int64)
    return [order[begin : begin + most] for begin in range(0, order.size, most)]


def _weigh(audience: Audience, near: csr_array, targets: Ints, regularisation: float, pool: ThreadPoolExecutor) -> None:
    """Put the targets' weights in the place of their similarities; what that takes is gone before the next set is set up."""
    systems = _set_up(audience, near, targets, pool)
    near.data[systems.places[systems.real]] = _solve(systems, regularisation, pool)[systems.real]


@dataclass(frozen=True)
class _Systems:
    """The regressions of some targets, filled up to k with neighbours that nobody likes."""

    places: Ints
    """[t, k] where each weight stands among the kept ones."""
    real: NDArray[np.bool_]
    """[t, k] False where filled up."""
    gram: Floats
    """G_NN [t, k, k]; common listeners are exact in float32 up to 16.7 million."""
    right: Floats
    """G_Nj [t, k]."""


def _set_up(audience: Audience, near: csr_array, targets: Ints, pool: ThreadPoolExecutor) -> _Systems:
    """Count each neighbour's row of X'X once, and give every system in which it stands what that one needs of it."""
    counts, nobody = np.diff(near.indptr)[targets], near.shape[0]
    slots = np.arange(max(1, counts.max()))
    real = slots < counts[:, None]
    places = near.indptr[targets].astype(np.int64)[:, None] + slots
    table = np.full(places.shape, nobody)
    table[real] = near.indices[places[real]]
    gram = np.empty((*table.shape, slots.size), dtype=np.float32)
    right = np.empty(table.shape, dtype=np.float32)
    order = np.argsort(table, axis=None, kind="stable")
    tracks, begins = np.unique(table.ravel()[order], return_index=True)
    at = dict(zip(tracks.tolist(), np.split(order, begins[1:]), strict=True))
    gram[~real], right[~real] = 0.0, 0.0

    def count(some: Ints) -> None:
        row = np.zeros(nobody + 1, dtype=np.float32)
        for track in some.tolist():
            near_by, common = audience.in_common(track)
            row[near_by] = common
            system, slot = np.divmod(at[track], slots.size)
            gram[system, slot] = row[table[system]]
            right[system, slot] = row[targets[system]]
            row[near_by] = 0.0

    list(pool.map(count, audience.spans(tracks[tracks < nobody], PIECES)))
    return _Systems(places, real, gram, right)


def _solve(systems: _Systems, regularisation: float, pool: ThreadPoolExecutor) -> Floats:
    """The b [t, k] of each system. Raises LinAlgError where one is singular."""

    def solve(some: slice) -> Floats:
        left = torch.from_numpy(systems.gram[some]).double()
        left.diagonal(dim1=1, dim2=2).add_(regularisation)
        lower, failed = torch.linalg.cholesky_ex(left)
        if failed.any():
            raise LinAlgError("G_NN + lambda I cannot be inverted; regularisation must be above 0.")
        right = torch.from_numpy(systems.right[some]).double()
        return np.asarray(torch.cholesky_solve(right[:, :, None], lower)[:, :, 0].float().numpy())

    total, neighbours = systems.right.shape
    size = max(1, SOLVED // neighbours**2)
    return np.concatenate(list(pool.map(solve, [slice(at, at + size) for at in range(0, total, size)])))
