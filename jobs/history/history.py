"""H_U as of a date: the tracks that each user played, and their ratings (PMRS Eq. 1). `pmrs run history --date D`.

Night D uses what was received up to D and happened up to D. Deletion requests apply as known now, whatever D is.
"""

from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.history.config import HistoryConfig
from jobs.lake.collect import one_row
from jobs.lake.deletion_requests import without_erased
from jobs.lake.join_drops import join_drop
from jobs.lake.partitions import Partitions


def usable_events(events: DataFrame, night: date) -> DataFrame:
    """Return the events that the night may use: on time, not after its date, and distinct by user, track, event and
    time.
    """
    usable = events.where(F.col("within_late_window") & (F.to_date("played_at") <= F.lit(night)))
    longest = [F.max("ms_played").alias("ms_played"), F.max("rating").alias("rating")]
    return usable.groupBy("user_id", "track_id", "event", "played_at").agg(*longest)


def aggregate_events(events: DataFrame, min_play_ms: int) -> DataFrame:
    """Return per user and track: `plays`, `stars` (latest rating), `liked` (latest like or unlike), `last_event_at`."""
    is_play = (F.col("event") == "play") & (F.coalesce("ms_played", F.lit(min_play_ms)) >= min_play_ms)
    opinion = F.when(F.col("event").isin("like", "unlike"), F.struct("played_at", "event"))
    rated = F.when(F.col("event") == "rate", F.struct("played_at", "rating"))
    return events.groupBy("user_id", "track_id").agg(
        F.count_if(is_play).alias("plays"),
        F.max(rated)["rating"].alias("stars"),
        F.coalesce(F.max(opinion)["event"] == "like", F.lit(False)).alias("liked"),
        F.max("played_at").alias("last_event_at"),
    )


def counts_by_track(counts: DataFrame, song_tracks: DataFrame) -> DataFrame:
    """Convert play counts per song to the columns of `aggregate_events`. A track of several songs has several rows.

    Songs without a track are dropped; `run` counts them.
    """
    # a catalogue's songs fit into the memory of every task; a broadcast avoids sorting the history by song
    plays = counts.join(F.broadcast(song_tracks.select("song_id", "track_id")), "song_id")
    return plays.select(
        "user_id",
        "track_id",
        "plays",
        F.lit(None).cast("double").alias("stars"),
        F.lit(False).alias("liked"),
        F.lit(None).cast("timestamp").alias("last_event_at"),
    )


def build_history(timed: DataFrame, counted_plays: DataFrame) -> DataFrame:
    """Return table `history`: R_M is the latest stars, else the number of plays; +1 if liked; 0 if only skipped or
    blocked.
    """
    summed = (
        timed.unionByName(counted_plays)
        .groupBy("user_id", "track_id")
        .agg(
            F.sum("plays").alias("plays"),
            F.max("stars").alias("stars"),
            F.max("liked").alias("liked"),
            F.max("last_event_at").alias("last_event_at"),
        )
    )
    base = F.coalesce("stars", F.col("plays").cast("double"))
    return summed.withColumn("rating", base + F.col("liked").cast("double"))


def build_eligible_users(history: DataFrame, users: DataFrame) -> DataFrame:
    """Return table `eligible_users`: every user with a history or a profile."""
    history_counts = history.groupBy("user_id").agg(F.count("*").alias("n_seen"))
    all_users = users.select("user_id").withColumn("n_seen", F.lit(0)).unionByName(history_counts)
    return all_users.groupBy("user_id").agg(F.max("n_seen").cast("long").alias("n_seen"))


def run(ctx: JobContext) -> None:
    """Read events up to the date, the latest snapshots and all deletion requests; write `history`, `eligible_users` and
    losses.
    """
    config: HistoryConfig = ctx.config  # type: ignore[assignment]
    deletions = ctx.read("deletions", Partitions.ALL)
    events, counts = ctx.read("events", Partitions.UP_TO), ctx.read("play_counts", Partitions.LATEST)
    songs = ctx.read_required("song_tracks")
    used = without_erased(usable_events(events, ctx.date), deletions)
    retained_counts = without_erased(counts, deletions)
    timed = aggregate_events(used, config.min_play_ms)
    untimed = without_erased(counts_by_track(retained_counts, songs), deletions)
    history = ctx.write("history", build_history(timed, untimed))
    users = without_erased(ctx.read("users").select("user_id"), deletions)
    ctx.write("eligible_users", build_eligible_users(history, users))
    matched = retained_counts.join(F.broadcast(songs.withColumn("matched", F.lit(True))), "song_id", "left")
    ctx.write_records("join_drops/history", build_join_drops(events, matched))


def build_join_drops(events: DataFrame, matched_counts: DataFrame) -> list[dict[str, Any]]:
    """Return rows of table `join_drops`, from one Spark job; `matched_counts`: play counts, `matched` null without a track."""
    counts = one_row([
        events.agg(F.count("*").alias("events"), F.count_if(~F.col("within_late_window")).alias("late")),
        matched_counts.agg(F.count("*").alias("counts"), F.count_if(F.col("matched").isNull()).alias("unmatched")),
    ])  # fmt: skip
    return [
        join_drop("events received more than 3 days after they happened", counts["events"], counts["late"]),
        join_drop("play counts whose song has no track in the catalogue", counts["counts"], counts["unmatched"]),
    ]
