"""Sparse EASE on a large synthetic catalogue: `python -m bench.item_item [USERS TRACKS LIKES NEIGHBORS THREADS]`.

Prints seconds (wall, and of all processors) and the most memory that the process ever held. The listening is drawn
(`bench.data.likes`), not measured.
"""

import resource
import sys
import time

import numpy as np
from scipy.sparse import csr_array

from bench.data import LIKES, LISTENERS, SONGS, likes
from models import sparse_ease


def peak() -> float:
    """GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(users: int = LISTENERS, tracks: int = SONGS, count: int = LIKES, neighbors: int = 100, threads: int = 0) -> None:
    """Fit once."""
    pairs = likes(np.random.default_rng(7), count, users, tracks)
    ratings = csr_array((np.ones(count, np.float32), pairs), shape=(users, tracks))
    longest, max_count = np.diff(ratings.indptr).max(), np.bincount(ratings.indices).max()
    print(f"{ratings.nnz:,} likes; the longest history {longest:,}, the most listeners {max_count:,}; {peak():.2f} GiB")
    began, worked = time.monotonic(), time.process_time()
    model = sparse_ease.fit(ratings, sparse_ease.SparseEASEConfig(neighbors=neighbors), threads)
    wall, processors = time.monotonic() - began, time.process_time() - worked
    print(f"{model.weights.nnz:,} weights in {wall:.0f} s ({processors:.0f} s of processors); {peak():.2f} GiB")


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
