"""For whom, and for which tracks, a model is good: the same metrics by part of the users, and recall by part of the tracks."""

from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.evaluate.splits import Task

SHOWN = ("NDCG@20", "R_liang@20", "HR@10")
HISTORY = (1, 5, 10, 20, 50)
"""Bounds of history length: listeners with one to four tracks are as good as new; from fifty on a taste is known."""
AGES = (0, 18, 25, 35, 45, 55)
BY_PROFILE = ("gender", "country")
WITHIN = 20
FEWEST = 20
"""Smaller parts are not told: their means say nothing, and they might tell who somebody is."""
MOST = 200
"""Parts told; countries are the most there can be."""


def of_users(valued: DataFrame, task: Task, users: DataFrame) -> list[dict[str, Any]]:
    """Per part: `by`, `segment`, `users`, and per metric of SHOWN its mean over users and `±`, half its normal 95 % interval.

    `valued`: one row per query and seed, with `user_id` and the metrics.
    """
    known = task.asked.groupBy("query_id").agg(F.count("*").alias("known"))
    described = valued.join(known, "query_id", "left").join(
        users.select("user_id", "age", *BY_PROFILE), "user_id", "left"
    )
    labels = {"tracks known": between(F.col("known"), HISTORY), "age": between(F.col("age"), AGES)}
    labels |= {name: F.col(name) for name in BY_PROFILE}
    pairs = [F.struct(F.lit(by).alias("by"), label.cast("string").alias("segment")) for by, label in labels.items()]
    parts = described.withColumn("part", F.explode(F.array(*pairs))).select("*", "part.*").where("segment IS NOT NULL")
    users_of = parts.groupBy("by", "segment", "user_id").agg(*[F.avg(f"`{m}`").alias(m) for m in SHOWN])
    means = [F.avg(f"`{m}`").alias(m) for m in SHOWN]
    half = [(1.96 * F.stddev(f"`{m}`") / F.sqrt(F.count("*"))).alias(f"{m} ±") for m in SHOWN]
    told = users_of.groupBy("by", "segment").agg(F.count("*").alias("users"), *means, *half)
    enough = told.where(F.col("users") >= FEWEST).orderBy("by", F.desc("users"), "segment").limit(MOST)
    return [row.asDict() for row in enough.collect()]


def of_tracks(lists: DataFrame, task: Task, train: DataFrame, genres: DataFrame | None) -> list[dict[str, Any]]:
    """Per decile of popularity (1: the least played tenth of the tracks that are played) and per genre: of the relevant tracks of
    all queries together, `relevant`, the share that stands in the first WITHIN places, `R@20`.
    """
    within = lists.where(F.col("rank") <= WITHIN).select("query_id", "track_id", F.lit(1).alias("hit"))
    who = task.asked.select("query_id", "user_id").distinct()
    asked = (
        task.truth.select("query_id", "track_id").join(within, ["query_id", "track_id"], "left").join(who, "query_id")
    )
    listeners = train.groupBy("track_id").agg(F.count("*").alias("n"))
    decile = F.ntile(10).over(Window.orderBy("n", "track_id")).cast("string")
    known = listeners.select("track_id", decile.alias("segment"))
    tracks = asked.select("track_id").distinct().join(known, "track_id", "left")
    labels = tracks.select(
        "track_id",
        F.lit("popularity decile").alias("by"),
        F.coalesce("segment", F.lit("nobody's in training")).alias("segment"),
    )
    if genres is not None:
        by_genre = genres.where("genre IS NOT NULL")
        labels = labels.unionByName(
            by_genre.select("track_id", F.lit("genre").alias("by"), F.col("genre").alias("segment"))
        )
    grouped = asked.join(labels, "track_id").groupBy("by", "segment")
    counts = F.count("*").alias("relevant"), F.countDistinct("user_id").alias("users")
    found = grouped.agg(*counts, (F.count("hit") / F.count("*")).alias(f"R@{WITHIN}")).where(F.col("users") >= FEWEST)
    return [row.asDict() for row in found.orderBy("by", "segment").limit(MOST).collect()]


def between(value: Column, bounds: tuple[int, ...]) -> Column:
    """The name of the part that a number falls in, such as `5-9` or `50+`; null below the first bound and where it is null."""
    label = F.lit(None).cast("string")
    for low, high in zip(bounds, (*bounds[1:], None), strict=True):
        label = F.when(value >= low, F.lit(f"{low}-{high - 1}" if high else f"{low}+")).otherwise(label)
    return label
