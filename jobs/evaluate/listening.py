"""What was listened to, as an evaluation reads it: events with their times, and ratings of any part of them."""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.history.history import Config as HistoryConfig
from jobs.history.history import build_history, from_counts, from_events, seen
from jobs.lake.deletion_requests import without_forgotten
from jobs.lake.partitions import Partitions


@dataclass(frozen=True)
class Listening:
    """Everything that the night may use; wishes to be forgotten hold."""

    events: DataFrame
    """Events as `jobs.history.history.seen` gives them, with `session_id`."""
    history: DataFrame
    """Table `history` as of the night: of events and of play counts."""
    min_play_ms: int = HistoryConfig().min_play_ms

    def of_events(self, events: DataFrame) -> DataFrame:
        """Table `history` of these events alone."""
        timed = from_events(events, self.min_play_ms)
        return build_history(timed, timed.limit(0))


def ratings_of(history: DataFrame) -> DataFrame:
    """`user_id`, `track_id`, `rating`."""
    return history.select("user_id", "track_id", "rating")


def read(ctx: JobContext) -> Listening:
    """From the lake, as the night sees it. Raises LakeError naming the job to run where nothing was ingested."""
    deletions = ctx.read("deletions", Partitions.ALL)
    events, counts = ctx.read("events", Partitions.UP_TO), ctx.read("play_counts", Partitions.LATEST)
    # `seen` drops the session: repeats of one event have one
    sessions = events.groupBy("user_id", "track_id", "event", "played_at").agg({"session_id": "min"})
    once = seen(events, ctx.date).join(
        sessions.withColumnRenamed("min(session_id)", "session_id"), ["user_id", "track_id", "event", "played_at"]
    )
    timed = without_forgotten(once, deletions).localCheckpoint()
    untimed = without_forgotten(from_counts(without_forgotten(counts, deletions), ctx.read_required("song_tracks")), deletions)
    config = HistoryConfig()
    return Listening(timed, build_history(from_events(timed, config.min_play_ms), untimed), config.min_play_ms)
