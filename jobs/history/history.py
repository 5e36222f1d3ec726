"""H_U as of a date: who heard what, and how much they liked it (PMRS Eq. 1). `pmrs run history --date D`.

Night D sees what was received up to D and happened up to D. Wishes to be forgotten hold as known now, whatever D is.
"""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.deletion_requests import without_forgotten
from jobs.lake.join_drops import counted, loss_table
from jobs.lake.partitions import Partitions


@dataclass(frozen=True)
class Config:
    """What counts as a play."""

    min_play_ms: int = 30_000
    """Milliseconds heard from which a play counts as one; shorter ones only mark the track as heard. 30 s is the
    royalty threshold of the streaming services."""


def seen(events: DataFrame, night: date) -> DataFrame:
    """Events that the night may use: on time, and not after its date; each (user, track, event, time) once."""
    usable = events.where(F.col("within_late_window") & (F.to_date("played_at") <= F.lit(night)))
    longest = [F.max("ms_played").alias("ms_played"), F.max("rating").alias("rating")]
    return usable.groupBy("user_id", "track_id", "event", "played_at").agg(*longest)


def from_events(events: DataFrame, min_play_ms: int) -> DataFrame:
    """Per user and track: `plays`, `stars` (latest rating), `liked` (latest of like and unlike), `last_event_at`."""
    is_play = (F.col("event") == "play") & (F.coalesce("ms_played", F.lit(min_play_ms)) >= min_play_ms)
    opinion = F.when(F.col("event").isin("like", "unlike"), F.struct("played_at", "event"))
    rated = F.when(F.col("event") == "rate", F.struct("played_at", "rating"))
    return events.groupBy("user_id", "track_id").agg(
        F.count_if(is_play).alias("plays"),
        F.max(rated)["rating"].alias("stars"),
        F.coalesce(F.max(opinion)["event"] == "like", F.lit(False)).alias("liked"),
        F.max("played_at").alias("last_event_at"),
    )


def from_counts(counts: DataFrame, song_tracks: DataFrame) -> DataFrame:
    """The same shape from play counts per song, where a track of several songs has several rows.

    Songs without a track are left out (and counted by `run`).
    """
    # the songs of a catalogue fit into every task's memory; a history does not want to be sorted by song
    plays = counts.join(F.broadcast(song_tracks.select("song_id", "track_id")), "song_id")
    return plays.select(
        "user_id", "track_id", "plays",
        F.lit(None).cast("double").alias("stars"),
        F.lit(False).alias("liked"),
        F.lit(None).cast("timestamp").alias("last_event_at"),
    )


def build_history(timed: DataFrame, counted_plays: DataFrame) -> DataFrame:
    """Table `history`: R_M is the latest stars, else the plays, +1 if liked; 0 where only skipped or blocked."""
    whole = timed.unionByName(counted_plays).groupBy("user_id", "track_id").agg(
        F.sum("plays").alias("plays"),
        F.max("stars").alias("stars"),
        F.max("liked").alias("liked"),
        F.max("last_event_at").alias("last_event_at"),
    )
    base = F.coalesce("stars", F.col("plays").cast("double"))
    return whole.withColumn("rating", base + F.col("liked").cast("double"))


def build_eligible_users(history: DataFrame, users: DataFrame) -> DataFrame:
    """Table `listeners`: everybody with a history or a profile."""
    heard = history.groupBy("user_id").agg(F.count("*").alias("n_seen"))
    everybody = users.select("user_id").withColumn("n_seen", F.lit(0)).unionByName(heard)
    return everybody.groupBy("user_id").agg(F.max("n_seen").cast("long").alias("n_seen"))


def run(ctx: JobContext) -> None:
    """Reads events up to the date, the latest snapshots and all wishes; writes `history`, `listeners`, losses."""
    config: Config = ctx.config  # type: ignore[assignment]
    deletions = ctx.read("deletions", Partitions.ALL)
    events, counts = ctx.read("events", Partitions.UP_TO), ctx.read("play_counts", Partitions.LATEST)
    songs = ctx.read_required("song_tracks")
    used = without_forgotten(seen(events, ctx.date), deletions)
    kept_counts = without_forgotten(counts, deletions)
    timed = from_events(used, config.min_play_ms)
    untimed = without_forgotten(from_counts(kept_counts, songs), deletions)
    history = ctx.write("history", build_history(timed, untimed))
    users = without_forgotten(ctx.read("users").select("user_id"), deletions)
    ctx.write("eligible_users", build_eligible_users(history, users))
    late = events.where("NOT within_late_window").count()
    songless = kept_counts.join(F.broadcast(songs), "song_id", "left_anti").count()
    losses = [
        counted("events received more than 3 days after they happened", events.count(), late),
        counted("play counts whose song has no track in the catalogue", kept_counts.count(), songless),
    ]
    ctx.write("join_drops/history", loss_table(ctx.spark, losses))
