"""Split by time: training data before a cutoff, test queries after it."""

import datetime as dt
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate.interactions import Interactions, select_ratings
from jobs.evaluate.splits import Split, Task, build_inputs, build_truth, hash_rank
from jobs.recommenders.session_plays import order_session_plays


@dataclass(frozen=True)
class Temporal:
    """Global temporal split: one cutoff for all users."""

    cutoff: dt.datetime
    """UTC; training data ends before it."""
    days: int = 14
    """Length of the test period; the inner split tests the same number of days before the cutoff."""
    recent_days: int = 28
    """Window of windowed popularity: four weeks, as charts usually have."""
    min_rating: float = 1.0
    """T_R: a track is relevant if its rating in the test period is at least this."""
    max_sessions: int = 4_000
    """Test sessions, sampled by hash, so that a run takes minutes; the intervals show what the sampling costs."""
    session_look_back: int = 20
    """Number of session tracks that a model sees: those just before the predicted one."""
    seed: int = 7

    def split(self, interactions: Interactions) -> Split:
        """Return a split with discovery and re-listening tasks, and session tasks (sessions of the source, or by pauses)."""
        end, at = self.cutoff + dt.timedelta(days=self.days), F.col("played_at")
        before = interactions.events.where(at < F.lit(self.cutoff))
        after = interactions.events.where((at >= F.lit(self.cutoff)) & (at < F.lit(end)))
        recent = before.where(at >= F.lit(self.cutoff - dt.timedelta(days=self.recent_days)))
        past = interactions.build_history_of(before).localCheckpoint()
        require_before(past, "last_event_at", self.cutoff, "the training ratings")
        plays = order_session_plays(before, interactions.min_play_ms)
        train = select_ratings(past)
        recent_ratings = select_ratings(interactions.build_history_of(recent)).localCheckpoint()
        relevant = interactions.build_history_of(after).where(F.col("rating") >= self.min_rating)
        future = select_ratings(relevant).localCheckpoint()
        tasks = (*_build_user_tasks(train, future), *self._build_session_tasks(after, interactions.min_play_ms))
        earlier = replace(self, cutoff=self.cutoff - dt.timedelta(days=self.days))
        protocol = f"train on everything before {self.cutoff:%Y-%m-%d %H:%M} UTC, test on the {self.days} days after it"
        if n_undated := interactions.history.where("last_event_at IS NULL").count():
            protocol += f"; {n_undated:,} ratings without a timestamp (play counts) are left out"
        return Split(
            "temporal", protocol, train, recent_ratings, tasks,
            lambda: earlier.split(replace(interactions, events=before)), before, plays,
        )  # fmt: skip

    def _build_session_tasks(self, events: DataFrame, min_play_ms: int) -> tuple[Task, ...]:
        plays = order_session_plays(events, min_play_ms)
        if plays.isEmpty():
            return ()
        lengths = plays.groupBy("session").agg(F.max("position").alias("last")).where("last >= 2")
        sampled = lengths.orderBy(hash_rank(self.seed, "session"), "session").limit(self.max_sessions)
        sampled_plays = plays.join(sampled, "session").select("session", "user_id", "track_id", "position", "last")
        # one random position per session, so that every session has the same weight
        target = (2 + hash_rank(self.seed + 1, "session") % (F.col("last") - 1)).alias("target")
        query = F.concat_ws("#", "session", target.cast("string")).alias("query_id")
        sessions = sampled_plays.select(query, "user_id", "track_id", "position", target).localCheckpoint()
        first = F.col("target") - self.session_look_back
        look_back = sessions.where((F.col("position") < F.col("target")) & (F.col("position") >= first))
        sequence = look_back.select("query_id", "position", "track_id")
        inputs = look_back.groupBy("query_id", "user_id", "track_id").agg(F.lit(1.0).alias("rating")).localCheckpoint()
        is_relevant = {
            "next track": F.col("position") == F.col("target"),
            "rest of session": F.col("position") >= F.col("target"),
        }
        protocol = (
            f"predict from up to {self.session_look_back} tracks of a session before one of its positions, and nothing else; "
            "all tracks are candidates"
        )
        columns = ("query_id", "track_id", F.lit(1.0).alias("rating"))
        truths = {
            name: sessions.where(condition).select(*columns).distinct().localCheckpoint()
            for name, condition in is_relevant.items()
        }
        return tuple(Task(name, protocol, inputs, truth, "all", sequence) for name, truth in truths.items())


def _build_user_tasks(train: DataFrame, future: DataFrame) -> tuple[Task, Task]:
    """Return the tasks of tracks that are new to the user, and of tracks that the user has seen."""
    pair = ["user_id", "track_id"]
    seen = train.select(*pair)
    new, again = future.join(seen, pair, "left_anti"), future.join(seen, pair, "left_semi")
    discovery = "rank tracks that the user has not seen, for users with a history; seen tracks are masked"
    relistening = "rank the tracks that the user has seen; the candidates are each user's own tracks"
    return (
        Task("discovery", discovery, build_inputs(train, new), build_truth(new, train), "exclude_seen"),
        Task("re-listening", relistening, build_inputs(train, again), build_truth(again, train), "only_seen"),
    )


def require_before(frame: DataFrame, column: str, cutoff: dt.datetime, name: str) -> DataFrame:
    """Return `frame` if all rows are before the cutoff. Raises EvaluationError with the number of rows that leak the future."""
    counts = (
        frame.where(F.col(column) >= F.lit(cutoff)).agg(F.count("*").alias("n"), F.max(column).alias("newest")).first()
    )
    if counts is not None and counts["n"]:
        raise EvaluationError(
            f"{name}: {counts['n']} rows are from {cutoff:%Y-%m-%d %H:%M} UTC or later (the newest: {counts['newest']}); "
            "a model that trains on them would see its test data."
        )
    return frame
