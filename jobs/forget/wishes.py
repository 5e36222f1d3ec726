"""Who asked to be forgotten, and the one filter that every reader of listeners' data passes through."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def user_hash(column: str = "user_id") -> Column:
    """SHA-256 (hex) of a user id: a wish is kept without the name of who made it."""
    return F.sha2(F.col(column), 256)


def without_forgotten(frame: DataFrame, deletions: DataFrame) -> DataFrame:
    """`frame` (column `user_id`, perhaps `track_id`) without users, or users' tracks, that are to be forgotten.

    `deletions`: columns `user_hash`, `track_id` (null: the whole user), from every date: wishes hold as known now.
    """
    users = F.broadcast(deletions.where("track_id IS NULL").select("user_hash").distinct())
    kept = frame.withColumn("user_hash", user_hash()).join(users, "user_hash", "left_anti")
    if "track_id" in frame.columns:
        pairs = F.broadcast(deletions.where("track_id IS NOT NULL").select("user_hash", "track_id").distinct())
        kept = kept.join(pairs, ["user_hash", "track_id"], "left_anti")
    return kept.select(*frame.columns)
