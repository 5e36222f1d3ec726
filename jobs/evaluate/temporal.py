"""The split by time: learned from what came before a cut, asked for what came after it."""

import datetime as dt
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate.listening import Listening, ratings_of
from jobs.evaluate.sessions import in_order
from jobs.evaluate.splits import Split, Task, asked_of, draw, truth_of


@dataclass(frozen=True)
class Temporal:
    """Global temporal split: everybody's past before one moment, everybody's future after it."""

    cut: dt.datetime
    """UTC; what happened before it is learned from."""
    days: int = 14
    """Length of the future that is asked for; tuning asks for as long a time before the cut."""
    recent_days: int = 28
    """Length of the window of windowed popularity: the four weeks over which charts are usually made."""
    min_rating: float = 1.0
    """T_R: what is played again or first heard counts where its rating in the future is at least this."""
    most_sessions: int = 4_000
    """Sessions asked, drawn by hash, so that a run stays within minutes; intervals tell what that costs."""
    session_look_back: int = 20
    """Tracks of a session that the model is told: those just before the next one."""
    seed: int = 7

    def split(self, listening: Listening) -> Split:
        """Discovery and re-listening of users; next track and rest of session where plays have sessions."""
        until, at = self.cut + dt.timedelta(days=self.days), F.col("played_at")
        before = listening.events.where(at < F.lit(self.cut))
        after = listening.events.where((at >= F.lit(self.cut)) & (at < F.lit(until)))
        recent = before.where(at >= F.lit(self.cut - dt.timedelta(days=self.recent_days)))
        past = listening.of_events(before).localCheckpoint()
        require_before(past, "last_event_at", self.cut, "the training ratings")
        plays = in_order(before, listening.min_play_ms)
        train, charts = ratings_of(past), ratings_of(listening.of_events(recent)).localCheckpoint()
        future = ratings_of(listening.of_events(after).where(F.col("rating") >= self.min_rating)).localCheckpoint()
        tasks = (*_of_users(train, future), *self._of_sessions(after, listening.min_play_ms))
        earlier = replace(self, cut=self.cut - dt.timedelta(days=self.days))
        protocol = (
            f"learned from everything before {self.cut:%Y-%m-%d %H:%M} UTC, asked for the {self.days} days from then on"
        )
        if undated := listening.history.where("last_event_at IS NULL").count():
            protocol += f"; {undated:,} ratings without a time (play counts) are left out"
        return Split(
            "temporal", protocol, train, charts, tasks,
            lambda: earlier.split(replace(listening, events=before)), before, plays,
        )  # fmt: skip

    def _of_sessions(self, events: DataFrame, min_play_ms: int) -> tuple[Task, ...]:
        placed = in_order(events, min_play_ms)
        if placed.isEmpty():
            return ()
        long = placed.groupBy("session").agg(F.max("place").alias("last")).where("last >= 2")
        drawn = long.orderBy(draw(self.seed, "session"), "session").limit(self.most_sessions)
        one = placed.join(drawn, "session").select("session", "user_id", "track_id", "place", "last")
        # one place of each session, drawn: sessions count alike, however long
        place = (2 + draw(self.seed + 1, "session") % (F.col("last") - 1)).alias("at")
        query = F.concat_ws("#", "session", place.cast("string")).alias("query_id")
        whole = one.select(query, "user_id", "track_id", "place", place).localCheckpoint()
        before = whole.where((F.col("place") < F.col("at")) & (F.col("place") >= F.col("at") - self.session_look_back))
        told = before.select("query_id", "place", "track_id")
        asked = before.groupBy("query_id", "user_id", "track_id").agg(F.lit(1.0).alias("rating")).localCheckpoint()
        answers = {"next track": F.col("place") == F.col("at"), "rest of session": F.col("place") >= F.col("at")}
        known = (
            f"anybody, told up to {self.session_look_back} tracks of a session before one place of it, and nothing else; "
            "any track may be answered"
        )
        columns = ("query_id", "track_id", F.lit(1.0).alias("rating"))
        truths = {
            name: whole.where(is_it).select(*columns).distinct().localCheckpoint() for name, is_it in answers.items()
        }
        return tuple(Task(name, known, asked, truth, "all", told) for name, truth in truths.items())


def _of_users(train: DataFrame, future: DataFrame) -> tuple[Task, Task]:
    """Tracks new to the user, and tracks heard again: two questions, two lists."""
    pair = ["user_id", "track_id"]
    known = train.select(*pair)
    new, again = future.join(known, pair, "left_anti"), future.join(known, pair, "left_semi")
    unheard = "tracks that users with a past had never heard; heard ones are masked"
    heard = "tracks that users had heard before; each user's own heard tracks are ranked"
    return (
        Task("discovery", unheard, asked_of(train, new), truth_of(new, train), "unheard"),
        Task("re-listening", heard, asked_of(train, again), truth_of(again, train), "heard"),
    )


def require_before(frame: DataFrame, column: str, cut: dt.datetime, what: str) -> DataFrame:
    """`frame`, if no row of it is of the cut or later. Raises EvaluationError with the number of rows that know the future."""
    late = frame.where(F.col(column) >= F.lit(cut)).agg(F.count("*").alias("n"), F.max(column).alias("newest")).first()
    if late is not None and late["n"]:
        raise EvaluationError(
            f"{what}: {late['n']} rows know what happened from {cut:%Y-%m-%d %H:%M} UTC on (the newest: {late['newest']}); "
            "a model that learns from them would be asked for what it was told."
        )
    return frame


# -- without times ---------------------------------------------------------------------------------------------------
