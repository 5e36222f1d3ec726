"""PMRS's confidence score per genre (their Eq. 6 and Figure 3): a recall among the tracks that a user rates highest.

CS_u(g) = |top-N recommended of genre g and top-N rated by u of genre g| / |top-N rated by u of genre g|
CS(g)   = mean over users who rated some track of g
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def confidence_scores(lists: DataFrame, truth: DataFrame, genres: DataFrame, most: int, fewest: int = 1) -> DataFrame:
    """`genre`, `queries`, `confidence` (0 to 1), of genres with at least `fewest` queries.

    `lists`: `query_id`, `rank`, `track_id`; `truth`: `query_id`, `track_id`, `rating`; `genres`: `track_id`, `genre`. Of each
    genre the `most` best places of a list, wherever in the whole list they stand, against the `most` best rated; ties by id.
    """
    known = genres.where("genre IS NOT NULL").select("track_id", "genre")
    rated = _first(truth.join(known, "track_id"), most, F.desc("rating"))
    offered = _first(lists.join(known, "track_id"), most, F.asc("rank")).withColumn("hit", F.lit(1))
    joined = rated.join(offered, ["query_id", "genre", "track_id"], "left")
    per_query = joined.groupBy("query_id", "genre").agg((F.count("hit") / F.count("*")).alias("score"))
    return (
        per_query.groupBy("genre")
        .agg(F.count("*").alias("queries"), F.avg("score").alias("confidence"))
        .where(F.col("queries") >= fewest)
        .orderBy("genre")
    )


def _first(rows: DataFrame, most: int, order: object) -> DataFrame:
    best = Window.partitionBy("query_id", "genre").orderBy(order, "track_id")  # type: ignore[arg-type]
    placed = rows.withColumn("place", F.row_number().over(best)).where(F.col("place") <= most)
    return placed.select("query_id", "genre", "track_id")
