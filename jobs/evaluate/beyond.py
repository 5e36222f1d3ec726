"""What lists are like, whatever was relevant: how much of the catalogue they show, how known it is, how much alike."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.evaluate.splits import draw
from jobs.lake.collect import collect_arrow
from jobs.recommenders.training_data import Learned

DRAWN, SEED = 2_000, 7
BLOCK = 250
"""Lists whose listeners are summed at once."""


def exposure(lists: DataFrame, tracks: DataFrame, most: int) -> dict[str, float]:
    """`coverage`: share of the catalogue that stands in somebody's first `most` places; `gini`: how unequally places are dealt
    out over the whole catalogue, from 0 (all tracks alike) towards 1 (one track has all).
    """
    shown = lists.where(F.col("rank") <= most).groupBy("track_id").agg(F.count("*").alias("places"))
    every = (
        tracks.select("track_id").join(shown, "track_id", "left").withColumn("places", F.coalesce("places", F.lit(0)))
    )
    ordered = every.withColumn("place", F.row_number().over(Window.orderBy("places", "track_id")))
    found = ordered.agg(
        F.count("*").alias("n"), F.sum("places").alias("all"), F.sum(F.col("place") * F.col("places")).alias("weighted"),
        F.count_if(F.col("places") > 0).alias("shown"),
    ).first()  # fmt: skip
    if found is None or not found["n"] or not found["all"]:
        return {"coverage": 0.0, "gini": 0.0}
    n, whole = found["n"], found["all"]
    return {"coverage": found["shown"] / n, "gini": 2 * found["weighted"] / (n * whole) - (n + 1) / n}


def per_query(lists: DataFrame, asked: DataFrame, train: DataFrame, tracks: DataFrame, most: int) -> DataFrame:
    """`query_id` and, for the first `most` places:

    `novelty`: mean of -log2 of the share of users who have rated the track, skips included (one is assumed where there is none),
    bits;
    `popularity_lift`: mean listeners of the list by mean listeners of what the asker played, less 1: 0 is one's own taste;
    `artist_repetition`: share of places whose artist stood above already; null where no artist is known.
    """
    users = max(1, train.select("user_id").distinct().count())
    listeners = train.groupBy("track_id").agg(F.count("*").alias("listeners"))
    known = (
        tracks.select("track_id", "artist")
        .join(listeners, "track_id", "left")
        .withColumn("listeners", F.coalesce("listeners", F.lit(0)))
    )
    by_artist = Window.partitionBy("query_id", "artist").orderBy("rank")
    described = lists.where(F.col("rank") <= most).join(known, "track_id")
    told = described.withColumn(
        "again", F.when(F.col("artist").isNotNull(), (F.row_number().over(by_artist) > 1).cast("double"))
    )
    bits = -F.log2(F.greatest("listeners", F.lit(1)) / F.lit(users))
    found = told.groupBy("query_id").agg(
        F.avg(bits).alias("novelty"), F.avg("listeners").alias("shown"), F.avg("again").alias("artist_repetition")
    )
    own = asked.join(known, "track_id").groupBy("query_id").agg(F.avg("listeners").alias("own"))
    lift = F.when(F.col("own") > 0, F.col("shown") / F.col("own") - 1).alias("popularity_lift")
    return found.join(own, "query_id", "left").select("query_id", "novelty", lift, "artist_repetition")


def diversity(lists: DataFrame, learned: Learned, most: int) -> float:
    """Mean over lists of 1 less the mean cosine of pairs of their first `most` tracks, each track a vector of who rated it.

    0: the same people play everything in the list; 1: nobody plays two of its tracks. NaN where no list has two places. Of
    DRAWN queries, drawn by hash, where there are more: a mean of thousands does not need tens of thousands.
    """
    queries = lists.select("query_id").distinct().orderBy(draw(SEED, "query_id"), "query_id").limit(DRAWN)
    shown = lists.where(F.col("rank") <= most).join(F.broadcast(queries), "query_id").select("query_id", "track_id")
    rows = collect_arrow(shown, 100, "the first places of lists")
    names = pc.unique(rows["query_id"].combine_chunks())
    query = pc.index_in(rows["query_id"], names).to_numpy()
    item = pc.fill_null(pc.index_in(rows["track_id"], pa.array(learned.tracks)), -1).to_numpy()
    known = item >= 0
    chosen = csr_array((np.ones(known.sum()), (query[known], item[known])), shape=(len(names), len(learned.tracks)))
    rated = csr_array(
        (np.ones(learned.ratings.nnz), learned.ratings.indices, learned.ratings.indptr), learned.ratings.shape
    )
    unit = csr_array((rated / np.sqrt(np.maximum(rated.sum(axis=0), 1.0))).T)  # [I, U], rows of length 1
    # the sum over all pairs of cosines, a track's with itself included, is the squared length of the sum of the unit vectors
    square = np.concatenate(
        [(chosen[n : n + BLOCK] @ unit).power(2).sum(axis=1) for n in range(0, len(names), BLOCK)] or [[]]
    )
    size = chosen.sum(axis=1)
    pairs = size > 1
    alike = (square[pairs] - size[pairs]) / (size[pairs] * (size[pairs] - 1))
    return float(1 - alike.mean()) if pairs.any() else float("nan")
