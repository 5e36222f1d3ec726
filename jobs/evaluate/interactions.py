"""The interactions that an evaluation splits: events with timestamps, and ratings of any part of them."""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.history.config import HistoryConfig
from jobs.history.history import aggregate_events, build_history, counts_by_track, usable_events
from jobs.lake.deletion_requests import without_erased
from jobs.lake.partitions import Partitions


@dataclass(frozen=True)
class Interactions:
    """All interactions up to a night, without those that deletion requests cover."""

    events: DataFrame
    """Events as `jobs.history.history.usable_events` returns them, with `session_id`."""
    history: DataFrame
    """Table `history` as of the night, from events and play counts."""
    min_play_ms: int = HistoryConfig().min_play_ms

    def build_history_of(self, events: DataFrame) -> DataFrame:
        """Return table `history` computed from these events alone."""
        timed = aggregate_events(events, self.min_play_ms)
        return build_history(timed, timed.limit(0))


def select_ratings(history: DataFrame) -> DataFrame:
    """Return `user_id`, `track_id`, `rating` of a history."""
    return history.select("user_id", "track_id", "rating")


def read_interactions(ctx: JobContext) -> Interactions:
    """Read the interactions up to the night. Raises LakeError, which names the job to run, if nothing was ingested."""
    deletions = ctx.read("deletions", Partitions.ALL)
    events, counts = ctx.read("events", Partitions.UP_TO), ctx.read("play_counts", Partitions.LATEST)
    # `usable_events` drops the session; repetitions of an event belong to the same one
    sessions = events.groupBy("user_id", "track_id", "event", "played_at").agg({"session_id": "min"})
    distinct_events = usable_events(events, ctx.date).join(
        sessions.withColumnRenamed("min(session_id)", "session_id"), ["user_id", "track_id", "event", "played_at"]
    )
    timed = without_erased(distinct_events, deletions).localCheckpoint()
    untimed = without_erased(
        counts_by_track(without_erased(counts, deletions), ctx.read_required("song_tracks")), deletions
    )
    config = HistoryConfig()
    return Interactions(timed, build_history(aggregate_events(timed, config.min_play_ms), untimed), config.min_play_ms)
