"""Fit sparse EASE on a large synthetic catalogue: `python -m bench.item_item [USERS TRACKS LIKES NEIGHBORS THREADS]`.

Prints wall seconds, processor seconds and the peak memory. The likes are synthetic (`bench.data.likes`).
"""

import resource
import sys
import time

import numpy as np
from scipy.sparse import csr_array

from bench.data import LIKES, N_USERS, SONGS, likes
from models import sparse_ease


def peak() -> float:
    """Return the peak resident memory in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(users: int = N_USERS, tracks: int = SONGS, count: int = LIKES, neighbors: int = 100, threads: int = 0) -> None:
    """Fit once, and print the figures."""
    pairs = likes(np.random.default_rng(7), count, users, tracks)
    ratings = csr_array((np.ones(count, np.float32), pairs), shape=(users, tracks))
    longest, max_count = np.diff(ratings.indptr).max(), np.bincount(ratings.indices).max()
    print(f"{ratings.nnz:,} likes; longest history {longest:,}, most users of a track {max_count:,}; {peak():.2f} GiB")
    start, cpu_start = time.monotonic(), time.process_time()
    model = sparse_ease.fit(ratings, sparse_ease.SparseEASEConfig(neighbors=neighbors), threads)
    wall, processors = time.monotonic() - start, time.process_time() - cpu_start
    print(f"{model.weights.nnz:,} weights in {wall:.0f} s ({processors:.0f} s of processors); {peak():.2f} GiB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
