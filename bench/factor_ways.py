"""One way to fit factors per process: `python -m bench.factor_ways ours|mllib INPUT LISTS`; prints one line of JSON.

Compiled code is loaded before the clock starts, as implicit's is when it is imported; Java is as cold as it starts.
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

from bench.data import LISTENERS, SONGS
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
REGULARISATION, UNOBSERVED = 0.003, 0.3
"""Chosen by hand, by NDCG@20 on another draw of the data (bench.data.listening(8))."""
MLLIB_REGULARISATION, MLLIB_ALPHA = 0.05, 10.0
"""As jobs/recommenders/mllib_als.py has them; not chosen on this data."""


def ours(given: str, lists: str) -> dict[str, float]:
    """models/ials.py by threads, and the lists by models/exact_index.py."""
    ratings = csr_array(load_npz(given))
    config = IALSConfig(rank=RANK, iterations=ITERATIONS, regularization=REGULARISATION, unobserved_weight=UNOBSERVED)
    ials.fit(ratings[:2_000], config)
    likes, began = confidence_weights(ratings, config.min_rating), time.monotonic()
    items = ials.fit_als(likes, config, threads=CORES)
    alternated = time.monotonic() - began
    users = ials.fold_in(likes, items, config, CORES)
    fitted, began = time.monotonic() - began, time.monotonic()
    index = exact_index.build_index(items)
    parts = [slice(begin, begin + 10_000) for begin in range(0, len(users), 10_000)]
    with thread_pool(CORES) as pool:
        parts_found = list(pool.map(lambda part: exact_index.search(users[part], index, ratings[part], TOP_N), parts))
    took = time.monotonic() - began
    sizes = [min(10_000, len(users) - part.start) for part in parts]
    np.save(lists, np.concatenate([_table(best, size) for best, size in zip(parts_found, sizes, strict=True)]))
    speeds = {
        "half_steps": half_step_flops(likes, config) / alternated / 1e9,
        "scores": 2.0 * len(users) * len(items) * RANK / took / 1e9,
        "product": product_flops() / 1e9,
    }
    return {"fit": round(fitted, 2), "top": round(took, 2)} | {name: round(speed, 1) for name, speed in speeds.items()}


def half_step_flops(likes: csr_array, config: IALSConfig) -> float:
    """Return the floating-point operations of all half-steps: per interaction, per row with Y'Y, and of Y'Y itself."""
    times, rows = config.cg_steps + 1, likes.shape[0] + likes.shape[1]  # a first residual, then the steps
    of_likes = 2 * likes.nnz * config.rank * (4 * times + 2)
    return float(config.iterations * (of_likes + rows * 2 * config.rank**2 * (times + 1)))


def product_flops() -> float:
    """Flops a second of a float32 product of matrices on CORES threads, the best of five: the machine's limit for arithmetic."""
    torch.set_num_threads(CORES)
    side = 4_096
    one, other = torch.rand(side, side), torch.rand(side, side)
    flops = []
    for _ in range(5):
        began = time.monotonic()
        one @ other
        flops.append(time.monotonic() - began)
    return 2.0 * side**3 / min(flops)


def mllib(given: str, lists: str) -> dict[str, float]:
    """Spark's ALS with the machine's own BLAS, without which it refuses, and `recommendForAllUsers`, with heard tracks in."""
    # Spark's tasks are the threads; a BLAS that takes as many again waits for itself (Spark's own guide says so)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    spark = session("bench", Settings(var=WORK, master=f"local[{CORES}]", driver_memory="8g"))
    blas = spark._jvm.dev.ludovic.netlib.blas.BLAS.getInstance().getClass().getName()  # type: ignore[union-attr]
    if "JNI" not in blas:
        raise SystemExit(f"MLlib would multiply by {blas}: install a BLAS of the machine's own (libopenblas0) to compare with.")
    pairs = spark.read.parquet(given).cache()
    pairs.count()
    als = ALS(
        rank=RANK, maxIter=ITERATIONS, regParam=MLLIB_REGULARISATION, alpha=MLLIB_ALPHA, implicitPrefs=True, seed=7,
        userCol="user", itemCol="item", ratingCol="confidence", numUserBlocks=CORES, numItemBlocks=CORES,
    )
    began = time.monotonic()
    model = als.fit(pairs)
    fitted, began = time.monotonic() - began, time.monotonic()
    print(f"MLlib: fitted in {fitted:.1f} s, by {blas}", file=sys.stderr, flush=True)
    model.recommendForAllUsers(TOP_N).write.format("noop").mode("overwrite").save()
    took = time.monotonic() - began
    # what is judged are lists without heard tracks, of its factors
    users, items = (_dense(frame, rows) for frame, rows in ((model.userFactors, LISTENERS), (model.itemFactors, SONGS)))
    known = pairs.toArrow()
    user_items = csr_array((known["confidence"].to_numpy(), (known["user"], known["item"])), shape=(LISTENERS, SONGS))
    np.save(lists, _table(exact_index.search(users, exact_index.build_index(items), user_items, TOP_N), len(users)))
    return {"fit": round(fitted, 2), "top": round(took, 2)}


def _dense(frame: DataFrame, rows: int) -> F32:
    """[rows, RANK] of MLlib's `id` and `features`."""
    table = frame.toArrow()
    factors_ = np.zeros((rows, RANK), np.float32)
    factors_[table["id"].to_numpy()] = np.array(table["features"].to_pylist(), np.float32)
    return factors_


def _table(best: TopK, users: int) -> I64:
    """Items [U, TOP_N], best first, -1 where there is none."""
    padded = np.full((users, TOP_N), -1, np.int64)
    padded[best.row, best.rank] = best.item
    return padded


WAYS: dict[str, Callable[[str, str], dict[str, float]]] = {"ours": ours, "mllib": mllib}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](sys.argv[2], sys.argv[3])))
