"""Tracks that nobody has played yet, offered by their sound: `pmrs run content --date D` (van den Oord et al. 2013).

Their sound is mapped to the place among the live model's track factors where tracks that sound so lie (sounds.py beside this).
It takes a model of factors, and audio; without them the tables are empty and the log says so.
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

from jobs.content.features import Config, Sounds, learn
from jobs.context import JobContext
from jobs.lake.adapters.factors import factors_in
from jobs.lake.deletion_requests import forgotten_pairs
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.lake.user_items import blocks_of, build_listeners
from jobs.recommenders.ranker_config import live_recipe
from jobs.spark import rows_per_batch
from models import exact_index
from models.content_factors import to_unit
from models.types import F32

__all__ = ["Config", "build_candidates", "build_heard", "offered", "rows_of", "run"]


def run(ctx: JobContext) -> None:
    """Reads item and user factors, descriptors, history and wishes; writes `content_factors` and `content_candidates`."""
    config: Config = ctx.config  # type: ignore[assignment]
    sounds = learn(ctx, config)
    if sounds is None:
        ctx.write_empty("content_factors", "content_candidates")
        return
    new = sounds.track_ids[sounds.liked :]
    rows = pa.table({"track_id": pa.array(new), "factors": pa.array(list(sounds.factors), pa.list_(pa.float32()))})
    ctx.write("content_factors", ctx.spark.createDataFrame(rows))
    everybody = ctx.read_required("eligible_users")
    barred = forgotten_pairs(everybody, ctx.read("deletions", Partitions.ALL_CONTENT)).withColumn("rating", F.lit(0.0))
    heard = ctx.read_required("history").select("user_id", "track_id", "rating").unionByName(barred)
    # a wish bars a track that the history still rates
    heard = heard.groupBy("user_id", "track_id").agg(F.min("rating").alias("rating"))
    tasks = max(1, -(-everybody.count() // config.users_per_task))
    listeners = build_heard(heard, ctx.read_required("user_factors"), sounds, tasks)
    with rows_per_batch(ctx.spark, exact_index.USER_BATCH):
        ctx.write("content_candidates", build_candidates(listeners, sounds, config.places, live_recipe(ctx).settings.min_rating))


def build_heard(heard: DataFrame, user_factors: DataFrame, sounds: Sounds, tasks: int) -> DataFrame:
    """`user_id`, `items`, `ratings` (see `build_listeners`: places among `sounds`), `factors` of everybody who has factors."""
    some = build_listeners(heard, sounds.track_ids, 0.0, tasks)
    return user_factors.join(some, "user_id", "left").select(
        "user_id",
        F.coalesce("items", F.array().cast("array<bigint>")).alias("items"),
        F.coalesce("ratings", F.array().cast("array<float>")).alias("ratings"),
        "factors",
    )  # fmt: skip


def build_candidates(listeners: DataFrame, sounds: Sounds, places: int, least: float) -> DataFrame:
    """Table `content_candidates` of rows of `build_heard`; likes are ratings from `least` on."""
    everywhere, schema = listeners.sparkSession.sparkContext.broadcast(sounds), to_arrow_schema(table("content_candidates").schema)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        sounds = everywhere.value
        shelf = exact_index.build_index(sounds.factors)
        for batch in filter(len, batches):
            for user_ids, asked in blocks_of(iter([batch]), batch.num_rows, len(sounds.track_ids)):
                found = offered(factors_in(batch), asked, sounds, shelf, places, least)
                yield rows_of(user_ids, sounds, found).cast(schema)

    return listeners.mapInArrow(score, table("content_candidates").schema)


@dataclass(frozen=True)
class CandidateFilter:
    """Places [n] that some listeners are offered."""

    row: NDArray[np.int64]
    """Which listener."""
    item: NDArray[np.int64]
    """Place among the new tracks."""
    score: NDArray[np.float64]
    """Cosine of the listener's factors and the predicted ones."""
    near: NDArray[np.int64]
    """Place in `Sounds` of the liked track that sounds most like it; -1: none that the listener likes has audio."""


def offered(
    users: F32, asked: csr_array, sounds: Sounds, shelf: exact_index.ExactIndex, places: int, least: float
) -> CandidateFilter:
    """The new tracks that listeners of factors [B, F] will like best, without what they have heard: `asked` [B, T] ratings."""
    unit = to_unit(users.astype(np.float64)).astype(np.float32)
    best = exact_index.search(unit, shelf, csr_array(asked[:, sounds.liked :]), places)
    near = np.full(best.row.size, -1, np.int64)
    for place, (row, item) in enumerate(zip(best.row, best.item, strict=True)):
        span = slice(asked.indptr[row], asked.indptr[row + 1])
        mine = asked.indices[span][asked.data[span] >= least]
        mine = mine[mine < sounds.liked]
        if mine.size:
            near[place] = mine[int((sounds.descriptors[mine] @ sounds.descriptors[sounds.liked + item]).argmax())]
    return CandidateFilter(best.row, best.item, best.score, near)


def rows_of(user_ids: pa.Array, sounds: Sounds, found: CandidateFilter) -> pa.RecordBatch:
    """As rows of table `content_candidates`."""
    names = pa.array(sounds.track_ids)
    return pa.record_batch(
        {
            "user_id": user_ids.take(pa.array(found.row)),
            "track_id": names.take(pa.array(found.item + sounds.liked)),
            "score": pa.array(np.clip(found.score, 0, 1).round(6)),
            "reason_track_id": names.take(pa.array(found.near, mask=found.near < 0)),
        }
    )
