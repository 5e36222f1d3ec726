"""Sparse EASE on a large synthetic catalogue: `python -m bench.item_item [USERS TRACKS LIKES NEIGHBOURS THREADS]`.

Prints seconds (wall, and of all processors) and the most memory that the process ever held. The listening is drawn, not measured:
histories and fame follow power laws, and half of what a user plays is of one of 200 tastes.
"""

import resource
import sys
import time

import numpy as np
from scipy.sparse import csr_array

from models import sparse_ease

TASTES, SEED = 200, 7
LONGEST = 4_000
"""Times the usual one: where histories are cut off, before likes are drawn."""


def listening(users: int, tracks: int, likes: int) -> csr_array:
    """[U, I] of `likes` different pairs, or some less: each user's number of them Pareto, tracks by fame (rank^-0.8) and taste."""
    draw = np.random.default_rng(SEED)
    length = np.minimum(draw.pareto(1.6, users) + 0.4, LONGEST)
    user = draw.choice(users, size=int(likes * 1.35), p=length / length.sum())
    fame = np.cumsum(np.arange(1, tracks + 1) ** -0.8)
    at = np.searchsorted(fame, draw.random(user.size) * fame[-1])
    # a taste is every 200th track, from the user's own on: as many of its famous ones as of any other's
    mine = np.minimum(at // TASTES * TASTES + user % TASTES, tracks - 1)
    item = draw.permutation(tracks)[np.where(draw.random(user.size) < 0.5, mine, at)]
    pairs = draw.permutation(np.unique(user.astype(np.int64) * tracks + item))[:likes]
    return csr_array((np.ones(pairs.size, np.float32), np.divmod(pairs, tracks)), shape=(users, tracks))


def peak() -> float:
    """GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(users: int = 200_000, tracks: int = 50_000, likes: int = 5_190_000, neighbours: int = 100, threads: int = 0) -> None:
    """Fit once."""
    ratings = listening(users, tracks, likes)
    longest, most = np.diff(ratings.indptr).max(), np.bincount(ratings.indices).max()
    print(f"{ratings.nnz:,} likes; the longest history {longest:,}, the most listeners {most:,}; {peak():.2f} GiB")
    began, worked = time.monotonic(), time.process_time()
    model = sparse_ease.fit(ratings, sparse_ease.SparseEASEConfig(neighbours=neighbours), threads)
    wall, processors = time.monotonic() - began, time.process_time() - worked
    print(f"{model.weights.nnz:,} weights in {wall:.0f} s ({processors:.0f} s of processors); {peak():.2f} GiB")


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
