"""Plays of listening sessions: their order in Spark, and their arrays on the driver.

A play of a source without sessions begins a session if the user has not played for GAP_MINUTES. Plays have a total order: by
timestamp, then by track id.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.lake.collect import collect_arrow
from models.data.sessions import Sessions, build_sessions
from models.types import I64

GAP_MINUTES = 30
"""Pause that ends a session: 30 minutes, as in Yambda and most session data sets."""
ROW_BYTES = 160
"""Size of a play with its session, user and track on the driver."""


def order_session_plays(events: DataFrame, min_play_ms: int) -> DataFrame:
    """Return `session`, `user_id`, `position` (from 1), `track_id`, `played_at`.

    `session` is `user_id|session_id`, or `user_id|@` and the Unix second of its first play if the source has no sessions.
    Plays shorter than `min_play_ms` are dropped.
    """
    plays = events.where("event = 'play'").where(F.coalesce("ms_played", F.lit(min_play_ms)) >= min_play_ms)
    by_user = Window.partitionBy("user_id", F.col("session_id").isNull()).orderBy("played_at", "track_id")
    second = F.col("played_at").cast("double")
    starts = F.coalesce(second - F.lag(second).over(by_user) > 60 * GAP_MINUTES, F.lit(True))
    start = F.last(F.when(F.col("starts"), second.cast("long")), ignorenulls=True).over(by_user)
    by_gap = F.concat(F.lit("@"), start.cast("string"))
    keyed = plays.withColumn("starts", starts).withColumn("key", F.coalesce("session_id", by_gap))
    by_time = Window.partitionBy("session").orderBy("played_at", "track_id")
    ordered = keyed.withColumn("session", F.concat_ws("|", "user_id", "key"))
    ordered = ordered.withColumn("position", F.row_number().over(by_time))
    return ordered.select("session", "user_id", "position", "track_id", "played_at")


@dataclass(frozen=True)
class SessionPlays:
    """All plays of a night's view of the data as arrays, with the names behind the numbers."""

    sessions: Sessions
    tracks: tuple[str, ...]
    """Track id of each item."""
    users: tuple[str, ...]
    """User id of each user number."""


def collect_sessions(plays: DataFrame) -> SessionPlays:
    """Return plays as `order_session_plays` returns them. Raises MemoryLimitError if the driver cannot hold them.

    Items and users are numbered in the order of their ids.
    """
    columns = plays.select("session", "user_id", "track_id", F.col("played_at").cast("double").alias("second"))
    rows = collect_arrow(columns, ROW_BYTES, "the plays of the sessions")
    (_, session), (tracks, items), (users, user) = (_number(rows[name]) for name in ("session", "track_id", "user_id"))
    times = rows["second"].to_numpy()
    return SessionPlays(build_sessions(session, items, times, user, len(tracks), len(users)), tracks, users)


def _number(column: pa.ChunkedArray) -> tuple[tuple[str, ...], I64]:
    """Return the distinct values, ascending, and the index of each row's value."""
    values = pc.unique(column).sort()
    return tuple(values.to_pylist()), pc.index_in(column, values).to_numpy().astype(np.int64)
