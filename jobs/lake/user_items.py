"""Users with all that they have heard, as numbers: what models are asked with, in blocks that Spark's tasks take."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_array


def build_listeners(history: DataFrame, track_ids: tuple[str, ...], min_rating: float, tasks: int) -> DataFrame:
    """`user_id`, `items`, `ratings`: the heard tracks, as their places in `track_ids`, of each user who likes one of them.

    `history`: `user_id`, `track_id`, `rating`; likes are ratings from `min_rating` on. Dealt out to `tasks`, in the order of ids.
    """
    spark = history.sparkSession
    numbers = pa.table({"track_id": pa.array(track_ids, pa.string()), "item": list(range(len(track_ids)))})
    indexed = history.join(F.broadcast(spark.createDataFrame(numbers)), "track_id")
    pair = F.struct("item", F.col("rating").cast("float").alias("rating"))
    heard, best = F.sort_array(F.collect_list(pair)).alias("heard"), F.max("rating").alias("best")
    per_user = indexed.groupBy("user_id").agg(heard, best).where(F.col("best") >= min_rating)
    flat = per_user.select("user_id", F.col("heard.item").alias("items"), F.col("heard.rating").alias("ratings"))
    return flat.repartition(tasks, "user_id").sortWithinPartitions("user_id")


def blocks_of(batches: Iterator[pa.RecordBatch], users: int, tracks: int) -> Iterator[tuple[pa.Array, csr_array]]:
    """(user ids, ratings [B, I]) of at most so many `users` of `build_listeners`, until all have passed."""
    for batch in batches:
        for start in range(0, batch.num_rows, users):
            block = batch.slice(start, users)
            yield block["user_id"], _matrix(block, tracks)


def _matrix(batch: pa.RecordBatch, tracks: int) -> csr_array:
    items, ratings = batch["items"], batch["ratings"]
    ends = np.append(0, np.cumsum(pa.compute.list_value_length(items).to_numpy())).astype(np.int64)
    values = ratings.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return csr_array((values, items.flatten().to_numpy(zero_copy_only=False).astype(np.int64), ends), shape=(len(batch), tracks))
