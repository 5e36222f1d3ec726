"""Fit implicit's ALS: `.venv-peers/bin/python bench/peer_factors.py INPUT LISTS`. Prints a JSON line. Imports nothing of ours."""

import json
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit recommends: it has threads of its own

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix, load_npz

RANK, ITERATIONS, CORES, TOP_N = 64, 5, 2, 20
REGULARISATION, ALPHA = 0.01, 3.0
"""Chosen by hand, by NDCG@20 on data of another seed (bench.data.like_files(8))."""


def main(path: str, lists: str) -> None:
    """Fit, compute the lists of all users, and write them."""
    ratings = csr_matrix(load_npz(path))
    likes = ratings.copy()
    likes.data = 1 + np.log2(likes.data)
    model = AlternatingLeastSquares(
        factors=RANK, iterations=ITERATIONS, regularization=REGULARISATION, alpha=ALPHA, num_threads=CORES, random_state=7
    )
    start = time.monotonic()
    model.fit(likes, show_progress=False)
    fit_seconds, start = time.monotonic() - start, time.monotonic()
    items, _ = model.recommend(np.arange(ratings.shape[0]), ratings, N=TOP_N)
    top_seconds = time.monotonic() - start
    np.save(lists, items.astype(np.int64))
    print(json.dumps({"fit": round(fit_seconds, 2), "top": round(top_seconds, 2)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
