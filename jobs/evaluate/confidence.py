"""PMRS's confidence score per genre (their Eq. 6 and Figure 3): a recall of the tracks that a user rates highest.

CS_u(g) = |top-N recommended of genre g and top-N rated by u of genre g| / |top-N rated by u of genre g|
CS(g)   = mean over users who rated a track of g
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def confidence_scores(lists: DataFrame, truth: DataFrame, genres: DataFrame, k: int, min_queries: int = 1) -> DataFrame:
    """Return `genre`, `queries`, `confidence` (0 to 1) of genres with at least `min_queries` queries.

    The score compares, per genre, the `k` best ranks of the whole list with the `k` best rated tracks; ties go by id.
    `lists`: `query_id`, `rank`, `track_id`. `truth`: `query_id`, `track_id`, `rating`. `genres`: `track_id`, `genre`.
    """
    track_genres = genres.where("genre IS NOT NULL").select("track_id", "genre")
    rated = _top_k(truth.join(track_genres, "track_id"), k, F.desc("rating"))
    listed = _top_k(lists.join(track_genres, "track_id"), k, F.asc("rank")).withColumn("hit", F.lit(1))
    joined = rated.join(listed, ["query_id", "genre", "track_id"], "left")
    per_query = joined.groupBy("query_id", "genre").agg((F.count("hit") / F.count("*")).alias("score"))
    return (
        per_query.groupBy("genre")
        .agg(F.count("*").alias("queries"), F.avg("score").alias("confidence"))
        .where(F.col("queries") >= min_queries)
        .orderBy("genre")
    )


def _top_k(rows: DataFrame, k: int, order: Column) -> DataFrame:
    best_first = Window.partitionBy("query_id", "genre").orderBy(order, "track_id")
    ranked = rows.withColumn("genre_rank", F.row_number().over(best_first)).where(F.col("genre_rank") <= k)
    return ranked.select("query_id", "genre", "track_id")
