"""Fallback tracks for lists that the personal methods do not fill: popular tracks, then tracks without plays.

No list is shorter than min(N, unseen tracks of the list). The tier of an item names the step that filled its rank.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.recommenders.list_rules import list_lengths


def short_lists(required: DataFrame, items: DataFrame) -> DataFrame:
    """Return `user_id`, `list`, `n_items`, `n_missing` of the lists that `items` do not fill.

    `required`: rows of `list_rules.required_lengths`.
    """
    lengths = required.join(list_lengths(items), ["user_id", "list"], "left").withColumn("n_items", F.coalesce("n_items", F.lit(0)))
    return lengths.withColumn("n_missing", F.col("length") - F.col("n_items")).where("n_missing > 0").drop("length")


def build_fallback(members: DataFrame, history: DataFrame, track_genres: DataFrame) -> DataFrame:
    """Return `list`, `track_id`, `n_users`, `confidence`. Popularity counts users: no single user dominates it."""
    users = history.where("rating >= 1").groupBy("track_id").agg(F.count("*").alias("n_users"))
    rows = members.join(track_genres.select("track_id", "confidence"), "track_id")
    return rows.join(users, "track_id", "left").withColumn("n_users", F.coalesce("n_users", F.lit(0)))


def fill(short: DataFrame, fallback: DataFrame, excluded: DataFrame, items: DataFrame) -> DataFrame:
    """Return `user_id`, `list`, `n_items`, `track_id`, `offset` (1-based, behind the items), `n_users`, `confidence`.

    Only the head of each fallback list is read: as many tracks as are missing, plus as many as the user may have to
    skip.
    """
    by_popularity = Window.partitionBy("list").orderBy(F.desc("n_users"), F.desc("confidence"), "track_id")
    ordered = fallback.withColumn("position", F.row_number().over(by_popularity))
    skipped = excluded.select("user_id", "track_id").unionByName(items.select("user_id", "track_id")).distinct()
    skips = short.join(skipped.join(fallback.select("list", "track_id"), "track_id"), ["user_id", "list"])
    n_skips = skips.groupBy("user_id", "list").agg(F.count("*").alias("n_skips"))
    needed = short.join(n_skips, ["user_id", "list"], "left")
    depth = needed.groupBy("list").agg(F.max(F.col("n_missing") + F.coalesce("n_skips", F.lit(0))).alias("depth"))
    heads = ordered.join(F.broadcast(depth), "list").where("position <= depth").drop("depth")
    unseen = short.join(F.broadcast(heads), "list").join(skipped, ["user_id", "track_id"], "left_anti")
    order = Window.partitionBy("user_id", "list").orderBy("position")
    return unseen.withColumn("offset", F.row_number().over(order)).where("offset <= n_missing").drop("position")
