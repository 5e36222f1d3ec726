"""implicit's ALS: `.venv-peers/bin/python bench/peer_factors.py INPUT LISTS`; prints one line of JSON. Imports nothing of ours."""

import json
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for: it has threads of its own

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix, load_npz

RANK, ITERATIONS, CORES, TOP_N = 64, 5, 2, 20
REGULARISATION, ALPHA = 0.01, 3.0
"""Chosen by hand, by NDCG@20 on another draw of the data (bench.data.listening(8))."""


def main(given: str, lists: str) -> None:
    """Fit, ask for everybody's list, keep the lists."""
    ratings = csr_matrix(load_npz(given))
    likes = ratings.copy()
    likes.data = 1 + np.log2(likes.data)
    model = AlternatingLeastSquares(
        factors=RANK, iterations=ITERATIONS, regularization=REGULARISATION, alpha=ALPHA, num_threads=CORES, random_state=7
    )
    began = time.monotonic()
    model.fit(likes, show_progress=False)
    fitted, began = time.monotonic() - began, time.monotonic()
    items, _ = model.recommend(np.arange(ratings.shape[0]), ratings, N=TOP_N)
    took = time.monotonic() - began
    np.save(lists, items.astype(np.int64))
    print(json.dumps({"fit": round(fitted, 2), "top": round(took, 2)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
