"""Cold start: recommend tracks without plays by their audio: `pmrs run content --date D` (van den Oord et al. 2013).

A regression maps a track's audio to the factors of the live ranker (features.py). Without a ranker of factors, or without
audio, the tables are empty, and the reason is in the log.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from scipy.sparse import csr_array

from jobs.content.config import ContentConfig
from jobs.content.features import ColdStartItems, fit_cold_start
from jobs.context import JobContext
from jobs.lake.adapters.factors import factors_in
from jobs.lake.deletion_requests import erased_pairs
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.lake.user_items import build_user_items, user_blocks
from jobs.recommenders.ranker_config import live_ranker
from jobs.spark import rows_per_batch
from models import exact_index
from models.content_factors import to_unit
from models.types import F32


def run(ctx: JobContext) -> None:
    """Read factors, audio features, history and deletion requests; write `content_factors` and `content_candidates`."""
    config: ContentConfig = ctx.config  # type: ignore[assignment]
    cold_start = fit_cold_start(ctx, config)
    if cold_start is None:
        ctx.write_empty("content_factors", "content_candidates")
        return
    unplayed = cold_start.track_ids[cold_start.n_played :]
    rows = pa.table({"track_id": pa.array(unplayed), "factors": pa.array(list(cold_start.factors), pa.list_(pa.float32()))})
    ctx.write("content_factors", ctx.spark.createDataFrame(rows))
    users = ctx.read_required("eligible_users")
    erased = erased_pairs(users, ctx.read("deletions", Partitions.ALL_CONTENT)).withColumn("rating", F.lit(0.0))
    rated = ctx.read_required("history").select("user_id", "track_id", "rating").unionByName(erased)
    # a deletion request excludes a track that the history still rates
    rated = rated.groupBy("user_id", "track_id").agg(F.min("rating").alias("rating"))
    tasks = max(1, -(-ctx.rows_of("eligible_users") // config.users_per_task))
    queries = build_queries(rated, ctx.read_required("user_factors"), cold_start, tasks)
    with rows_per_batch(ctx.spark, exact_index.USER_BATCH):
        candidates = build_candidates(queries, cold_start, config.slots, live_ranker(ctx).settings.min_rating)
        ctx.write("content_candidates", candidates)


def build_queries(rated: DataFrame, user_factors: DataFrame, cold_start: ColdStartItems, tasks: int) -> DataFrame:
    """Return `user_id`, `items`, `ratings` (see `build_user_items`), `factors` of users with factors.

    `items` are indices into the cold-start tracks.
    """
    user_items = build_user_items(rated, cold_start.track_ids, 0.0, tasks)
    return user_factors.join(user_items, "user_id", "left").select(
        "user_id",
        F.coalesce("items", F.array().cast("array<bigint>")).alias("items"),
        F.coalesce("ratings", F.array().cast("array<float>")).alias("ratings"),
        "factors",
    )  # fmt: skip


def build_candidates(queries: DataFrame, cold_start: ColdStartItems, slots: int, min_rating: float) -> DataFrame:
    """Return table `content_candidates` for rows of `build_queries`; ratings of at least `min_rating` are likes."""
    broadcast = queries.sparkSession.sparkContext.broadcast(cold_start)
    schema = to_arrow_schema(table("content_candidates").schema)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        cold_start = broadcast.value
        index = exact_index.build_index(cold_start.factors)
        for batch in filter(len, batches):
            for user_ids, user_items in user_blocks(iter([batch]), batch.num_rows, len(cold_start.track_ids)):
                recommended = recommend(factors_in(batch), user_items, cold_start, index, slots, min_rating)
                yield rows_of(user_ids, cold_start, recommended).cast(schema)

    return queries.mapInArrow(score, table("content_candidates").schema)


@dataclass(frozen=True)
class Recommended:
    """Recommended cold-start tracks [n] of a block of users."""

    row: NDArray[np.int64]
    """Index of the user in the block."""
    item: NDArray[np.int64]
    """Index among the tracks without plays."""
    score: NDArray[np.float64]
    """Cosine of the user's factors and the predicted factors."""
    reason: NDArray[np.int64]
    """Index in `ColdStartItems` of the liked track with the most similar audio; -1: no liked track has audio."""


def recommend(
    users: F32, user_items: csr_array, cold_start: ColdStartItems, index: exact_index.ExactIndex, slots: int, min_rating: float
) -> Recommended:
    """Return the best tracks without plays for users with factors [B, F], without those rated in `user_items` [B, T]."""
    unit = to_unit(users.astype(np.float64)).astype(np.float32)
    best = exact_index.search(unit, index, csr_array(user_items[:, cold_start.n_played :]), slots)
    reason = np.full(best.row.size, -1, np.int64)
    for i, (row, item) in enumerate(zip(best.row, best.item, strict=True)):
        start, end = user_items.indptr[row : row + 2]
        liked = user_items.indices[start:end][user_items.data[start:end] >= min_rating]
        liked = liked[liked < cold_start.n_played]
        if liked.size:
            cosines = cold_start.audio[liked] @ cold_start.audio[cold_start.n_played + item]
            reason[i] = liked[int(cosines.argmax())]
    return Recommended(best.row, best.item, best.score, reason)


def rows_of(user_ids: pa.Array, cold_start: ColdStartItems, recommended: Recommended) -> pa.RecordBatch:
    """Return the recommendations as rows of table `content_candidates`."""
    track_ids = pa.array(cold_start.track_ids)
    return pa.record_batch(
        {
            "user_id": user_ids.take(pa.array(recommended.row)),
            "track_id": track_ids.take(pa.array(recommended.item + cold_start.n_played)),
            "score": pa.array(np.clip(recommended.score, 0, 1).round(6)),
            "reason_track_id": track_ids.take(pa.array(recommended.reason, mask=recommended.reason < 0)),
        }
    )
