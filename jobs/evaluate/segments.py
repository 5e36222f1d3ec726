"""Metrics by segment: per group of users, and recall per group of tracks."""

from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.evaluate.splits import Task

USER_METRICS = ("NDCG@20", "R_liang@20", "HR@10")
HISTORY_BOUNDS = (1, 5, 10, 20, 50)
"""Bounds of history length: users with one to four tracks are nearly new; from fifty on a profile is reliable."""
AGE_BOUNDS = (0, 18, 25, 35, 45, 55)
PROFILE_COLUMNS = ("gender", "country")
RECALL_AT = 20
MIN_USERS = 20
"""Smaller segments are dropped: their means are unreliable, and they could identify a user."""
MAX_SEGMENTS = 200
"""Limit of the rows; countries are the most numerous."""


def user_segments(query_metrics: DataFrame, task: Task, users: DataFrame) -> list[dict[str, Any]]:
    """Return a row per segment: `by`, `segment`, `users`, and the mean and `±` of every metric of USER_METRICS.

    `±` is half the normal 95 % interval. `query_metrics`: one row per query and seed, with `user_id` and the metrics.
    """
    input_counts = task.inputs.groupBy("query_id").agg(F.count("*").alias("n_inputs"))
    profiles = users.select("user_id", "age", *PROFILE_COLUMNS)
    described = query_metrics.join(input_counts, "query_id", "left").join(profiles, "user_id", "left")
    labels = {
        "tracks known": label_range(F.col("n_inputs"), HISTORY_BOUNDS),
        "age": label_range(F.col("age"), AGE_BOUNDS),
        **{name: F.col(name) for name in PROFILE_COLUMNS},
    }
    pairs = [F.struct(F.lit(by).alias("by"), label.cast("string").alias("segment")) for by, label in labels.items()]
    exploded = (
        described.withColumn("pair", F.explode(F.array(*pairs))).select("*", "pair.*").where("segment IS NOT NULL")
    )
    means = [F.avg(f"`{m}`").alias(m) for m in USER_METRICS]
    per_user = exploded.groupBy("by", "segment", "user_id").agg(*means)
    half_widths = [(1.96 * F.stddev(f"`{m}`") / F.sqrt(F.count("*"))).alias(f"{m} ±") for m in USER_METRICS]
    per_segment = per_user.groupBy("by", "segment").agg(F.count("*").alias("users"), *means, *half_widths)
    large = per_segment.where(F.col("users") >= MIN_USERS).orderBy("by", F.desc("users"), "segment")
    return [row.asDict() for row in large.limit(MAX_SEGMENTS).collect()]


def track_segments(lists: DataFrame, task: Task, train: DataFrame, genres: DataFrame | None) -> list[dict[str, Any]]:
    """Return a row per popularity decile and genre: `by`, `segment`, `relevant`, `users`, `R@20`.

    `R@20`: share of the relevant tracks of all queries together that are in the first RECALL_AT ranks. Decile 1 is the
    least played tenth of the played tracks.
    """
    hits = lists.where(F.col("rank") <= RECALL_AT).select("query_id", "track_id", F.lit(1).alias("hit"))
    query_users = task.inputs.select("query_id", "user_id").distinct()
    truth = task.truth.select("query_id", "track_id")
    relevant = truth.join(hits, ["query_id", "track_id"], "left").join(query_users, "query_id")
    user_counts = train.groupBy("track_id").agg(F.count("*").alias("n"))
    decile = F.ntile(10).over(Window.orderBy("n", "track_id")).cast("string")
    deciles = user_counts.select("track_id", decile.alias("segment"))
    tracks = relevant.select("track_id").distinct().join(deciles, "track_id", "left")
    labels = tracks.select(
        "track_id",
        F.lit("popularity decile").alias("by"),
        F.coalesce("segment", F.lit("not in training")).alias("segment"),
    )
    if genres is not None:
        by_genre = genres.where("genre IS NOT NULL")
        labels = labels.unionByName(
            by_genre.select("track_id", F.lit("genre").alias("by"), F.col("genre").alias("segment"))
        )
    grouped = relevant.join(labels, "track_id").groupBy("by", "segment")
    counts = F.count("*").alias("relevant"), F.countDistinct("user_id").alias("users")
    recall = (F.count("hit") / F.count("*")).alias(f"R@{RECALL_AT}")
    rows = grouped.agg(*counts, recall).where(F.col("users") >= MIN_USERS)
    return [row.asDict() for row in rows.orderBy("by", "segment").limit(MAX_SEGMENTS).collect()]


def label_range(value: Column, bounds: tuple[int, ...]) -> Column:
    """Return the range that a number falls in, such as `5-9` or `50+`; null for null and below the first bound."""
    label = F.lit(None).cast("string")
    for low, high in zip(bounds, (*bounds[1:], None), strict=True):
        label = F.when(value >= low, F.lit(f"{low}-{high - 1}" if high else f"{low}+")).otherwise(label)
    return label
