"""PMRS's lists over all unheard tracks of the collaborative model, exactly: `pmrs run candidates --date D`.

The mathematics is models/pmrs_cf.py; here users are dealt out in blocks against the broadcast catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from jobs.context import JobContext
from jobs.forget.wishes import forgotten_pairs
from jobs.lake.collect import bounded
from jobs.lake.schemas import table
from models.pmrs_cf import Catalogue, Listener, Picks, nearest_rated, top_lists

OVERALL = "overall"
METHOD = "pmrs_cf"
SCHEMA: pa.Schema = to_arrow_schema(table("candidates").read_schema)


@dataclass(frozen=True)
class Config:
    """How many candidates, and how users are dealt out."""

    min_rating: float = 1.0
    """T_R, as in the `collaborative` job: ratings from here on make the user's taste."""
    overall: int = 20
    """Candidates of the overall list: as many as are published."""
    per_genre: int = 10
    """Candidates of each genre's list: as many as are published."""
    look_back: int = 50
    """Best rated tracks of a user among which a reason is sought."""
    users_per_task: int = 2_000
    """Fixes which users share a block, so that equal inputs give equal bits on any number of cores."""
    users_per_block: int = 250
    """Users scored at once: 250 x 50,000 tracks are 50 MB of scores, and three such arrays live at a time."""


@dataclass(frozen=True)
class Shelf:
    """The catalogue with its names: what every task needs, broadcast once."""

    catalogue: Catalogue
    track_ids: tuple[str, ...]
    lists: tuple[str, ...]
    """Genre names; the overall list has none."""


def build_shelf(item_factors: DataFrame, track_genres: DataFrame, genres: tuple[str, ...]) -> Shelf:
    """The tracks of the collaborative model in the order of their ids. Raises LakeError if they do not fit the driver."""
    described = item_factors.join(track_genres.select("track_id", "genre", "probabilities"), "track_id")
    rank = len(item_factors.select("factors").first()["factors"])  # type: ignore[index]
    rows = bounded(described.orderBy("track_id"), 4 * rank + 8 * len(genres) + 100, "the catalogue's factors")
    places = {name: place for place, name in enumerate(genres)}
    genre = np.array([places.get(name, len(genres)) for name in rows["genre"].to_pylist()], dtype=np.int64)
    probabilities = np.zeros((len(genre), len(genres) + 1), dtype=np.float32)
    for row, values in enumerate(rows["probabilities"].to_pylist()):
        probabilities[row, : len(values)] = values
        probabilities[row, -1] = not values
    factors = np.array(rows["factors"].to_pylist(), dtype=np.float32)
    return Shelf(Catalogue(factors, probabilities, genre), tuple(rows["track_id"].to_pylist()), genres)


def build_listeners(user_factors: DataFrame, history: DataFrame, shelf: Shelf, config: Config) -> DataFrame:
    """`user_id`, `factors`, `items`, `ratings`: each user's heard tracks as catalogue numbers, in their order."""
    spark = history.sparkSession
    numbers = pa.table({"track_id": list(shelf.track_ids), "item": list(range(len(shelf.track_ids)))})
    indexed = history.join(F.broadcast(spark.createDataFrame(numbers)), "track_id")
    pair = F.struct("item", F.col("rating").cast("float").alias("rating"))
    per_user = indexed.groupBy("user_id").agg(F.sort_array(F.collect_list(pair)).alias("heard"))
    users = user_factors.join(per_user, "user_id")
    tasks = max(1, -(-user_factors.count() // config.users_per_task))
    flat = users.select("user_id", "factors", F.col("heard.item").alias("items"), F.col("heard.rating").alias("ratings"))
    return flat.repartition(tasks, "user_id").sortWithinPartitions("user_id")


def build_candidates(listeners: DataFrame, shelf: Shelf, config: Config) -> DataFrame:
    """Table `candidates`, scored block by block."""
    everywhere = listeners.sparkSession.sparkContext.broadcast(shelf)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        for batch in batches:
            for start in range(0, batch.num_rows, config.users_per_block):
                block = batch.slice(start, config.users_per_block).to_pylist()
                yield score_block(block, everywhere.value, config)

    return listeners.mapInArrow(score, table("candidates").read_schema)


def score_block(block: list[dict[str, Any]], shelf: Shelf, config: Config) -> pa.RecordBatch:
    """The candidates of some users, as rows of table `candidates`."""
    users = [_listener(row, config.min_rating) for row in block]
    found = top_lists(users, shelf.catalogue, config.overall, config.per_genre)
    parts = [
        _rows(row["user_id"], user, lists, shelf, config.look_back)
        for row, user, lists in zip(block, users, found, strict=True)
        if lists
    ]
    return pa.concat_batches(parts or [SCHEMA.empty_table().to_batches()[0]])


def _listener(row: dict[str, Any], min_rating: float) -> Listener:
    items = np.array(row["items"], dtype=np.int64)
    ratings = np.array(row["ratings"], dtype=np.float32)
    liked = ratings >= min_rating
    return Listener(np.array(row["factors"], dtype=np.float32), items, items[liked], ratings[liked])


def _rows(user_id: str, user: Listener, lists: list[Picks], shelf: Shelf, look_back: int) -> pa.RecordBatch:
    """One user's candidates: vectors as long as all the lists together, names looked up at once."""
    counts = [len(picks.items) for picks in lists]
    items = np.concatenate([picks.items for picks in lists])
    because = nearest_rated(items, user, shelf.catalogue, look_back)
    names = [OVERALL if picks.genre < 0 else shelf.lists[picks.genre] for picks in lists]
    columns = {
        "user_id": [user_id] * len(items),
        "list": np.repeat(names, counts).tolist(),
        "track_id": [shelf.track_ids[item] for item in items],
        "method": [METHOD] * len(items),
        "score": np.concatenate([picks.scores for picks in lists]).astype(np.float64).round(6),
        "percentile": np.concatenate([picks.percentiles for picks in lists]).astype(np.float64).round(6),
        "taste": np.repeat([picks.taste for picks in lists], counts).round(6),
        "because_track_id": [shelf.track_ids[item] if item >= 0 else None for item in because],
    }
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in SCHEMA], SCHEMA)


def run(ctx: JobContext) -> None:
    """Reads factors, history, genres and wishes; writes `candidates`."""
    config: Config = ctx.config  # type: ignore[assignment]
    item_factors, user_factors = ctx.need("item_factors"), ctx.need("user_factors")
    history, track_genres = ctx.need("history"), ctx.need("track_genres")
    if item_factors.isEmpty():
        ctx.write("candidates", ctx.spark.createDataFrame([], table("candidates").schema))
        return
    shelf = build_shelf(item_factors, track_genres, ctx.genres.genres)
    # rated 0: passed over like a track that was only skipped, and without a say in the taste
    barred = forgotten_pairs(user_factors, ctx.read("deletions", "all")).withColumn("rating", F.lit(0.0))
    heard = history.select("user_id", "track_id", "rating").unionByName(barred)
    listeners = build_listeners(user_factors, heard, shelf, config)
    ctx.write("candidates", build_candidates(listeners, shelf, config))
