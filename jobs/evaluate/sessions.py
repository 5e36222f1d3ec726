"""Plays of a session in the order of their timestamps."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def order_session_plays(events: DataFrame, min_play_ms: int) -> DataFrame:
    """Return `session` (`user_id|session_id`), `user_id`, `position` (from 1), `track_id`, `played_at`.

    Plays shorter than `min_play_ms` are dropped. Equal timestamps are ordered by `track_id`.
    """
    long_enough = F.coalesce("ms_played", F.lit(min_play_ms)) >= min_play_ms
    plays = events.where("event = 'play' AND session_id IS NOT NULL").where(long_enough)
    session = F.concat_ws("|", "user_id", "session_id")
    by_time = Window.partitionBy("session").orderBy("played_at", "track_id")
    ordered = plays.withColumn("session", session).withColumn("position", F.row_number().over(by_time))
    return ordered.select("session", "user_id", "position", "track_id", "played_at")
