"""Lists over all unheard tracks of the live recommender, exactly: `pmrs run candidates --date D`.

The mathematics is models/; here users are dealt out in blocks against the broadcast model. What a recipe does not read from the
job `collaborative` is fitted here, on the driver.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from scipy.sparse import csr_array

from jobs.collaborative.methods import catalogue_of, factors_of, listener
from jobs.collaborative.ratings import genre_shares, learn
from jobs.collaborative.recipe import RANKING, Recipe, live_recipe
from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.forget.wishes import forgotten_pairs
from jobs.lake.schemas import table
from models.pmrs_cf import Catalogue, Picks, top_lists
from models.top_n import Ints, Recommender, strongest

OVERALL = "overall"
NOTHING = np.empty(0, np.int64)
SCHEMA: pa.Schema = to_arrow_schema(table("candidates").read_schema)


@dataclass(frozen=True)
class Config:
    """How many candidates, and how users are dealt out; what they are scored by is the live recipe's affair."""

    overall: int = 20
    """Candidates of the overall list: as many as are published."""
    per_genre: int = 10
    """Candidates of each genre's list: as many as are published."""
    users_per_task: int = 2_000
    """Fixes which users share a block, so that equal inputs give equal bits on any number of cores."""
    users_per_block: int = 250
    """Users scored at once: 250 x 50,000 tracks are 50 MB of scores, and three such arrays live at a time."""


@dataclass(frozen=True)
class Shelf:
    """The recommender and its catalogue, with names: what every task needs, broadcast once."""

    model: Recommender
    catalogue: Catalogue
    track_ids: tuple[str, ...]
    lists: tuple[str, ...]
    """Genre names; the overall list has none."""
    method: str
    by_taste: bool
    min_rating: float
    """T_R: ratings from here on make the user's taste."""


def build_model(ctx: JobContext, recipe: Recipe, history: DataFrame) -> tuple[Recommender, tuple[str, ...]]:
    """The recipe's recommender on the night's history, and its tracks in the order of their ids."""
    if recipe.method.factorised:
        made = ctx.night.lake.manifest("item_factors", ctx.night.date.isoformat())
        if made is not None and made.inputs.get(f"model|{RANKING}", "") != recipe.digest:
            # somebody promoted another model since
            again = f"pmrs run collaborative --date {ctx.night.date}"
            raise LakeError(f"The factors of {ctx.night.date} are of another recipe than the live one; run `{again}`.")
        return factors_of(ctx.need("item_factors"), recipe.settings)
    learned = learn(history.where("rating > 0"), None, None, ())
    ctx.night.notify(f"fitting {recipe.method.title}", 0, 0)
    return recipe.method.fit(learned, recipe.settings, 0), learned.tracks


def build_listeners(history: DataFrame, shelf: Shelf, tasks: int) -> DataFrame:
    """`user_id`, `items`, `ratings`: the heard tracks, as catalogue numbers in their order, of each user who likes one of them."""
    spark = history.sparkSession
    numbers = pa.table({"track_id": pa.array(shelf.track_ids, pa.string()), "item": list(range(len(shelf.track_ids)))})
    indexed = history.join(F.broadcast(spark.createDataFrame(numbers)), "track_id")
    pair = F.struct("item", F.col("rating").cast("float").alias("rating"))
    heard, best = F.sort_array(F.collect_list(pair)).alias("heard"), F.max("rating").alias("best")
    per_user = indexed.groupBy("user_id").agg(heard, best).where(F.col("best") >= shelf.min_rating)
    flat = per_user.select("user_id", F.col("heard.item").alias("items"), F.col("heard.rating").alias("ratings"))
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
    asked = _matrix(block, len(shelf.track_ids))
    users = [
        listener(np.array(row["items"], np.int64), np.array(row["ratings"], np.float32), shelf.min_rating) for row in block
    ]
    scores = shelf.model.score(asked)
    lists = list(top_lists(scores, users, shelf.catalogue, config.overall, config.per_genre, shelf.by_taste))
    picked = [np.concatenate([NOTHING, *(picks.items for picks in each)]) for each in lists]
    carried = shelf.model.carried(asked, picked)
    parts = [
        _rows(row["user_id"], each, strongest(shares, user.heard, np.array(row["ratings"])), shelf)
        for row, user, each, shares in zip(block, users, lists, carried, strict=True)
        if each
    ]
    return pa.concat_batches(parts or [SCHEMA.empty_table().to_batches()[0]])


def _matrix(block: list[dict[str, Any]], tracks: int) -> csr_array:
    """What each user of the block has rated [B, I]."""
    ends = np.cumsum([0, *(len(row["items"]) for row in block)])
    items, ratings = (np.concatenate([row[key] for row in block]) for key in ("items", "ratings"))
    return csr_array((ratings.astype(np.float32), items.astype(np.int64), ends), shape=(len(block), tracks))


def _rows(user_id: str, lists: list[Picks], because: Ints, shelf: Shelf) -> pa.RecordBatch:
    """One user's candidates: vectors as long as all the lists together, names looked up at once."""
    counts = [len(picks.items) for picks in lists]
    items = np.concatenate([picks.items for picks in lists])
    names = [OVERALL if picks.genre < 0 else shelf.lists[picks.genre] for picks in lists]
    columns = {
        "user_id": [user_id] * len(items),
        "list": np.repeat(names, counts).tolist(),
        "track_id": [shelf.track_ids[item] for item in items],
        "method": [shelf.method] * len(items),
        "score": np.concatenate([picks.scores for picks in lists]).astype(np.float64).round(6),
        "percentile": np.concatenate([picks.percentiles for picks in lists]).astype(np.float64).round(6),
        "taste": np.repeat([picks.taste for picks in lists], counts).round(6),
        "because_track_id": [shelf.track_ids[item] if item >= 0 else None for item in because],
    }
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in SCHEMA], SCHEMA)


def run(ctx: JobContext) -> None:
    """Reads the recipe, its factors if it has some, history, listeners, genres and wishes; writes `candidates`."""
    config: Config = ctx.config  # type: ignore[assignment]
    recipe, history, everybody = live_recipe(ctx), ctx.need("history"), ctx.need("listeners")
    model, tracks = build_model(ctx, recipe, history)
    if not tracks:
        ctx.write("candidates", ctx.spark.createDataFrame([], table("candidates").schema))
        return
    genres, method, least = ctx.genres.genres, recipe.method, recipe.settings.min_rating
    shares = genre_shares(ctx.need("track_genres"), genres, tracks)
    shelf = Shelf(model, catalogue_of(shares), tracks, genres, recipe.name, method.by_taste, least)
    # rated 0: passed over like a track that was only skipped, and without a say in the taste
    barred = forgotten_pairs(everybody, ctx.read("deletions", "all")).withColumn("rating", F.lit(0.0))
    heard = history.select("user_id", "track_id", "rating").unionByName(barred)
    tasks = max(1, -(-everybody.count() // config.users_per_task))
    ctx.write("candidates", build_candidates(build_listeners(heard, shelf, tasks), shelf, config))
