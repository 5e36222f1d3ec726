"""What fills a list that the personal methods leave short: popular tracks, then tracks nobody has played yet.

No list is ever shorter than min(N, unheard tracks of its genre); the tier says how far it had to reach.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.recommenders.list_rules import places


def missing(wanted: DataFrame, candidates: DataFrame) -> DataFrame:
    """`user_id`, `list`, `have`, `short`: lists that the personal candidates do not fill."""
    joined = wanted.join(places(candidates), ["user_id", "list"], "left").withColumn("have", F.coalesce("have", F.lit(0)))
    return joined.withColumn("short", F.col("wanted") - F.col("have")).where("short > 0").drop("wanted")


def build_shelves(members: DataFrame, history: DataFrame, track_genres: DataFrame) -> DataFrame:
    """`list`, `track_id`, `listeners`, `confidence`: popularity counts listeners, so no single one can dominate it."""
    played = history.where("rating >= 1").groupBy("track_id").agg(F.count("*").alias("listeners"))
    rows = members.join(track_genres.select("track_id", "confidence"), "track_id")
    return rows.join(played, "track_id", "left").withColumn("listeners", F.coalesce("listeners", F.lit(0)))


def fill(short: DataFrame, shelves: DataFrame, history: DataFrame, candidates: DataFrame) -> DataFrame:
    """Rows `user_id`, `list`, `track_id`, `place` (1-based, among the filled), `listeners`, `confidence` for short lists.

    Only the head of each shelf can be needed: as many tracks as are missing, plus as many as the user may have to skip.
    """
    by_rank = Window.partitionBy("list").orderBy(F.desc("listeners"), F.desc("confidence"), "track_id")
    ranked = shelves.withColumn("position", F.row_number().over(by_rank))
    known = history.select("user_id", "track_id").unionByName(candidates.select("user_id", "track_id")).distinct()
    skips = short.join(known.join(shelves.select("list", "track_id"), "track_id"), ["user_id", "list"])
    skipped = skips.groupBy("user_id", "list").agg(F.count("*").alias("skips"))
    need = short.join(skipped, ["user_id", "list"], "left")
    depth = need.groupBy("list").agg(F.max(F.col("short") + F.coalesce("skips", F.lit(0))).alias("depth"))
    heads = ranked.join(F.broadcast(depth), "list").where("position <= depth").drop("depth")
    offered = short.join(F.broadcast(heads), "list").join(known, ["user_id", "track_id"], "left_anti")
    order = Window.partitionBy("user_id", "list").orderBy("position")
    return offered.withColumn("place", F.row_number().over(order)).where("place <= short").drop("position")
