"""Plays in the order in which a session heard them."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def in_order(events: DataFrame, min_play_ms: int) -> DataFrame:
    """`session` (`user_id|session_id`), `user_id`, `place` (1, 2, ... within these events), `track_id`, `played_at`.

    Plays of a session that were long enough to count; equal times go by `track_id`.
    """
    long_enough = F.coalesce("ms_played", F.lit(min_play_ms)) >= min_play_ms
    plays = events.where("event = 'play' AND session_id IS NOT NULL").where(long_enough)
    session = F.concat_ws("|", "user_id", "session_id")
    order = Window.partitionBy("session").orderBy("played_at", "track_id")
    placed = plays.withColumn("session", session).withColumn("place", F.row_number().over(order))
    return placed.select("session", "user_id", "place", "track_id", "played_at")
