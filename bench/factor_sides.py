"""Sides of the factor benchmark, one per process: `python -m bench.factor_sides ours|mllib INPUT LISTS`. Prints a JSON line.

Compiled code is loaded before the clock starts, as implicit's is on import. Java has not compiled anything yet.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from scipy.sparse import csr_array, load_npz

from bench.data import N_USERS, SONGS
from bench.harness import WORK
from jobs.settings import Settings
from jobs.spark import session
from models import exact_index, ials
from models.ials import IALSConfig
from models.interactions import confidence_weights
from models.threads import thread_pool
from models.topk import TopK
from models.types import F32, I64

RANK, ITERATIONS, CORES, TOP_N = 64, 5, 2, 20
USER_BLOCK = 10_000
REGULARISATION, UNOBSERVED = 0.003, 0.3
"""Chosen by hand, by NDCG@20 on data of another seed (bench.data.like_files(8))."""
MLLIB_REGULARISATION, MLLIB_ALPHA = 0.05, 10.0
"""The values of jobs/recommenders/mllib_als.py, not tuned on this data."""


def ours(path: str, lists: str) -> dict[str, float]:
    """Fit with models/ials.py in threads, and write the lists of models/exact_index.py."""
    ratings = csr_array(load_npz(path))
    config = IALSConfig(rank=RANK, iterations=ITERATIONS, regularization=REGULARISATION, unobserved_weight=UNOBSERVED)
    ials.fit(ratings[:2_000], config)
    likes, start = confidence_weights(ratings, config.min_rating), time.monotonic()
    items = ials.fit_als(likes, config, threads=CORES)
    als_seconds = time.monotonic() - start
    users = ials.fold_in(likes, items, config, CORES)
    fit_seconds, start = time.monotonic() - start, time.monotonic()
    index = exact_index.build_index(items)
    blocks = [slice(first, first + USER_BLOCK) for first in range(0, len(users), USER_BLOCK)]
    with thread_pool(CORES) as pool:
        top = list(pool.map(lambda block: exact_index.search(users[block], index, ratings[block], TOP_N), blocks))
    top_seconds = time.monotonic() - start
    sizes = [min(USER_BLOCK, len(users) - block.start) for block in blocks]
    np.save(lists, np.concatenate([_padded(best, size) for best, size in zip(top, sizes, strict=True)]))
    speeds = {
        "half_steps": half_step_flops(likes, config) / als_seconds / 1e9,
        "scores": 2.0 * len(users) * len(items) * RANK / top_seconds / 1e9,
        "product": product_flops() / 1e9,
    }
    return {"fit": round(fit_seconds, 2), "top": round(top_seconds, 2)} | {name: round(speed, 1) for name, speed in speeds.items()}


def half_step_flops(likes: csr_array, config: IALSConfig) -> float:
    """Return the floating-point operations of all half-steps: per interaction, per row with Y'Y, and of Y'Y itself."""
    products, rows = config.cg_steps + 1, likes.shape[0] + likes.shape[1]  # the first residual, then the steps
    flops_of_likes = 2 * likes.nnz * config.rank * (4 * products + 2)
    return float(config.iterations * (flops_of_likes + rows * 2 * config.rank**2 * (products + 1)))


def product_flops() -> float:
    """Return the machine's limit in flop/s: the best of five products of float32 matrices on CORES threads."""
    torch.set_num_threads(CORES)
    side = 4_096
    a, b = torch.rand(side, side), torch.rand(side, side)
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        a @ b
        seconds.append(time.monotonic() - start)
    return 2.0 * side**3 / min(seconds)


def mllib(path: str, lists: str) -> dict[str, float]:
    """Fit with Spark's ALS and compute `recommendForAllUsers`, which includes seen tracks.

    Raises SystemExit without a native BLAS.
    """
    # Spark's tasks are the threads: more threads in the BLAS would compete with them (Spark's MLlib guide)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    spark = session("bench", Settings(var=WORK, master=f"local[{CORES}]", driver_memory="8g"))
    blas = spark._jvm.dev.ludovic.netlib.blas.BLAS.getInstance().getClass().getName()  # type: ignore[union-attr]
    if "JNI" not in blas:
        raise SystemExit(f"MLlib would use {blas}: install a native BLAS (libopenblas0) for the comparison.")
    pairs = spark.read.parquet(path).cache()
    pairs.count()
    als = ALS(
        rank=RANK, maxIter=ITERATIONS, regParam=MLLIB_REGULARISATION, alpha=MLLIB_ALPHA, implicitPrefs=True, seed=7,
        userCol="user", itemCol="item", ratingCol="confidence", numUserBlocks=CORES, numItemBlocks=CORES,
    )
    start = time.monotonic()
    model = als.fit(pairs)
    fit_seconds, start = time.monotonic() - start, time.monotonic()
    print(f"MLlib: fitted in {fit_seconds:.1f} s with {blas}", file=sys.stderr, flush=True)
    model.recommendForAllUsers(TOP_N).write.format("noop").mode("overwrite").save()
    top_seconds = time.monotonic() - start
    # NDCG is of lists without seen tracks, computed from its factors
    users, items = (_dense(frame, rows) for frame, rows in ((model.userFactors, N_USERS), (model.itemFactors, SONGS)))
    seen = pairs.toArrow()
    user_items = csr_array((seen["confidence"].to_numpy(), (seen["user"], seen["item"])), shape=(N_USERS, SONGS))
    np.save(lists, _padded(exact_index.search(users, exact_index.build_index(items), user_items, TOP_N), len(users)))
    return {"fit": round(fit_seconds, 2), "top": round(top_seconds, 2)}


def _dense(frame: DataFrame, rows: int) -> F32:
    """Return MLlib's factors as a matrix [rows, RANK]; zero for users and items without interactions."""
    table = frame.toArrow()
    factors = np.zeros((rows, RANK), np.float32)
    factors[table["id"].to_numpy()] = np.array(table["features"].to_pylist(), np.float32)
    return factors


def _padded(best: TopK, users: int) -> I64:
    """Return the items [U, TOP_N], best first, padded with -1."""
    padded = np.full((users, TOP_N), -1, np.int64)
    padded[best.row, best.rank] = best.item
    return padded


SIDES: dict[str, Callable[[str, str], dict[str, float]]] = {"ours": ours, "mllib": mllib}

if __name__ == "__main__":
    print(json.dumps(SIDES[sys.argv[1]](sys.argv[2], sys.argv[3])))
