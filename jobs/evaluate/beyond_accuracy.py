"""Beyond-accuracy metrics of recommendation lists: coverage, Gini, novelty, popularity lift, artist repetition, diversity."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.evaluate.splits import hash_rank
from jobs.lake.collect import collect_arrow
from jobs.recommenders.training_data import TrainingData

MAX_DIVERSITY_QUERIES, SEED = 2_000, 7
LISTS_PER_BLOCK = 250
"""Lists that `diversity` multiplies with the user vectors at a time."""


def exposure(lists: DataFrame, tracks: DataFrame, k: int) -> dict[str, float]:
    """Return `coverage` and `gini` of the first `k` ranks of all lists.

    `coverage`: share of the catalogue `tracks` that is in at least one list. `gini`: inequality of the number of lists
    per track over the whole catalogue, from 0 (all tracks equal) towards 1 (one track has everything).
    """
    counts = lists.where(F.col("rank") <= k).groupBy("track_id").agg(F.count("*").alias("n_lists"))
    catalogue = tracks.select("track_id").join(counts, "track_id", "left")
    filled = catalogue.withColumn("n_lists", F.coalesce("n_lists", F.lit(0)))
    ordered = filled.withColumn("position", F.row_number().over(Window.orderBy("n_lists", "track_id")))
    sums = ordered.agg(
        F.count("*").alias("n_tracks"), F.sum("n_lists").alias("total"),
        F.sum(F.col("position") * F.col("n_lists")).alias("weighted"), F.count_if(F.col("n_lists") > 0).alias("covered"),
    ).first()  # fmt: skip
    if sums is None or not sums["n_tracks"] or not sums["total"]:
        return {"coverage": 0.0, "gini": 0.0}
    n, total = sums["n_tracks"], sums["total"]
    return {"coverage": sums["covered"] / n, "gini": 2 * sums["weighted"] / (n * total) - (n + 1) / n}


def build_popularity(train: DataFrame, tracks: DataFrame) -> DataFrame:
    """Return `track_id`, `artist`, `n_users` of every track of the catalogue; users include those who skipped it."""
    counts = train.groupBy("track_id").agg(F.count("*").alias("n_users"))
    joined = tracks.select("track_id", "artist").join(counts, "track_id", "left")
    return joined.withColumn("n_users", F.coalesce("n_users", F.lit(0)))


def per_query(lists: DataFrame, inputs: DataFrame, popularity: DataFrame, n_users: int, k: int) -> DataFrame:
    """Return `query_id` with these metrics of the first `k` ranks of its list.

    `novelty` [bits]: mean of -log2 of the share of users who have rated the track, skips included. One user is assumed
    for a track without ratings.
    `popularity_lift`: mean number of users of the listed tracks, divided by that of the query's input tracks, minus 1.
    0 means that the list is as popular as the user's own history.
    `artist_repetition`: share of ranks whose artist is at a better rank already; null if no artist is known.

    `popularity`: rows of `build_popularity`; `n_users`: number of training users.
    """
    by_artist = Window.partitionBy("query_id", "artist").orderBy("rank")
    repeated = F.when(F.col("artist").isNotNull(), (F.row_number().over(by_artist) > 1).cast("double"))
    ranked = lists.where(F.col("rank") <= k).join(popularity, "track_id").withColumn("repeated", repeated)
    self_information = -F.log2(F.greatest("n_users", F.lit(1)) / F.lit(max(1, n_users)))
    list_means = ranked.groupBy("query_id").agg(
        F.avg(self_information).alias("novelty"),
        F.avg("n_users").alias("list_popularity"),
        F.avg("repeated").alias("artist_repetition"),
    )
    input_means = (
        inputs.join(popularity, "track_id").groupBy("query_id").agg(F.avg("n_users").alias("input_popularity"))
    )
    ratio = F.col("list_popularity") / F.col("input_popularity")
    lift = F.when(F.col("input_popularity") > 0, ratio - 1).alias("popularity_lift")
    return list_means.join(input_means, "query_id", "left").select("query_id", "novelty", lift, "artist_repetition")


def diversity(lists: DataFrame, training: TrainingData, k: int) -> float:
    """Return the mean over lists of 1 - mean pairwise cosine of the first `k` tracks.

    A track's vector says which users have rated it. 0: the same users play every track of the list; 1: no user plays two
    of its tracks. NaN if no list has two tracks. If there are more than MAX_DIVERSITY_QUERIES queries, that many are
    sampled by hash.
    """
    queries = lists.select("query_id").distinct().orderBy(hash_rank(SEED, "query_id"), "query_id")
    sampled = F.broadcast(queries.limit(MAX_DIVERSITY_QUERIES))
    listed = lists.where(F.col("rank") <= k).join(sampled, "query_id").select("query_id", "track_id")
    rows = collect_arrow(listed, 100, "the first ranks of all lists")
    query_ids = pc.unique(rows["query_id"].combine_chunks())
    query = pc.index_in(rows["query_id"], query_ids).to_numpy()
    item = pc.fill_null(pc.index_in(rows["track_id"], pa.array(training.tracks)), -1).to_numpy()
    in_training = item >= 0
    shape = (len(query_ids), len(training.tracks))
    list_items = csr_array((np.ones(in_training.sum()), (query[in_training], item[in_training])), shape=shape)
    ratings = training.ratings
    rated = csr_array((np.ones(ratings.nnz), ratings.indices, ratings.indptr), ratings.shape)
    unit = csr_array((rated / np.sqrt(np.maximum(rated.sum(axis=0), 1.0))).T)  # [I, U], rows of length 1
    # the squared length of the sum of unit vectors is the sum of the cosines of all pairs, self-pairs included
    blocks = [list_items[n : n + LISTS_PER_BLOCK] @ unit for n in range(0, len(query_ids), LISTS_PER_BLOCK)]
    squared_length = np.concatenate([block.power(2).sum(axis=1) for block in blocks] or [[]])
    size = list_items.sum(axis=1)
    has_pairs = size > 1
    size, cosine_sum = size[has_pairs], squared_length[has_pairs] - size[has_pairs]
    mean_cosine = cosine_sum / (size * (size - 1))
    return float(1 - mean_cosine.mean()) if has_pairs.any() else float("nan")
