"""Users with their rated tracks as item indices: a model's queries, in blocks for Spark's tasks."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_array


def build_user_items(history: DataFrame, track_ids: tuple[str, ...], min_rating: float, tasks: int) -> DataFrame:
    """Return `user_id`, `items`, `ratings` of users with a rating of at least `min_rating`.

    The rows have `tasks` partitions, each ordered by id. `items` are indices into `track_ids`. `history`: `user_id`,
    `track_id`, `rating`.
    """
    spark = history.sparkSession
    indices = pa.table({"track_id": pa.array(track_ids, pa.string()), "item": list(range(len(track_ids)))})
    indexed = history.join(F.broadcast(spark.createDataFrame(indices)), "track_id")
    pair = F.struct("item", F.col("rating").cast("float").alias("rating"))
    pairs, best = F.sort_array(F.collect_list(pair)).alias("pairs"), F.max("rating").alias("best")
    per_user = indexed.groupBy("user_id").agg(pairs, best).where(F.col("best") >= min_rating)
    flat = per_user.select("user_id", F.col("pairs.item").alias("items"), F.col("pairs.rating").alias("ratings"))
    return flat.repartition(tasks, "user_id").sortWithinPartitions("user_id")


def user_blocks(batches: Iterator[pa.RecordBatch], users: int, tracks: int) -> Iterator[tuple[pa.Array, csr_array]]:
    """Yield (user ids, ratings [B, I]) for blocks of at most `users` rows of `build_user_items`."""
    for batch in batches:
        for start in range(0, batch.num_rows, users):
            block = batch.slice(start, users)
            yield block["user_id"], _matrix(block, tracks)


def _matrix(batch: pa.RecordBatch, tracks: int) -> csr_array:
    items, ratings = batch["items"], batch["ratings"]
    indptr = np.append(0, np.cumsum(pa.compute.list_value_length(items).to_numpy())).astype(np.int64)
    values = ratings.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return csr_array((values, items.flatten().to_numpy(zero_copy_only=False).astype(np.int64), indptr), shape=(len(batch), tracks))
