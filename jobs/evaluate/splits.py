"""What a model may learn from, what it is asked, and what would have been right.

Whatever is drawn is drawn by SHA-256 of `seed|user_id[|track_id]`, so that any tool can draw the same; nothing depends on the order
of rows. Each way to split can also be applied to a split's own training part: on that, and on nothing else, models are tuned.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate.listening import Listening, ratings_of
from jobs.evaluate.sessions import in_order
from models.top_n import Offered


@dataclass(frozen=True)
class Task:
    """One question, put to every model alike."""

    name: str
    protocol: str
    """How it is put, in a sentence."""
    asked: DataFrame
    """`query_id`, `user_id`, `track_id`, `rating`: what is known of whoever asks."""
    truth: DataFrame
    """`query_id`, `track_id`, `rating`: the relevant tracks, each once; every query of it is in `asked`."""
    offered: Offered
    told: DataFrame | None = None
    """`query_id`, `place`, `track_id`: the plays behind `asked` in their order, one a place of the session; None where what is
    known has no order."""


@dataclass(frozen=True)
class Split:
    """Training rows and tasks."""

    name: str
    protocol: str
    train: DataFrame
    """`user_id`, `track_id`, `rating`: all that a model learns from."""
    recent: DataFrame
    """The same of the last days before the cut only, for windowed popularity; `train` itself where there are no times."""
    tasks: tuple[Task, ...]
    inner: Callable[[], "Split"]
    """The same way to split, applied to `train`: for tuning."""
    events: DataFrame | None = None
    """The events behind `train`, with their times; None where there are none."""
    plays: DataFrame | None = None
    """The plays behind `train` that belong to sessions, as `jobs.evaluate.sessions.in_order` gives them, for models that learn from
    sequences; None where there are no times."""


def draw(seed: int, *names: str) -> Column:
    """A number from 0 to 2^60 - 1 that the seed and these columns decide: 15 hex digits of SHA-256 of `seed|a|b`."""
    return F.conv(F.substring(F.sha2(F.concat_ws("|", F.lit(str(seed)), *names), 256), 1, 15), 16, 10).cast("long")


# -- by time ---------------------------------------------------------------------------------------------------------


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
        require_before(past, "last_heard", self.cut, "the training ratings")
        plays = in_order(before, listening.min_play_ms)
        train, charts = ratings_of(past), ratings_of(listening.of_events(recent)).localCheckpoint()
        future = ratings_of(listening.of_events(after).where(F.col("rating") >= self.min_rating)).localCheckpoint()
        tasks = (*_of_users(train, future), *self._of_sessions(after, listening.min_play_ms))
        earlier = replace(self, cut=self.cut - dt.timedelta(days=self.days))
        protocol = (
            f"learned from everything before {self.cut:%Y-%m-%d %H:%M} UTC, asked for the {self.days} days from then on"
        )
        if undated := listening.history.where("last_heard IS NULL").count():
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
        Task("discovery", unheard, _asked(train, new), _truth(new, train), "unheard"),
        Task("re-listening", heard, _asked(train, again), _truth(again, train), "heard"),
    )


def require_untold(split: Split) -> None:
    """No relevant track of a task that masks heard ones is among what the user was learned from or told.

    Raises EvaluationError with their number: a model would be asked for what it was told.
    """
    for task in (one for one in split.tasks if one.offered == "unheard"):
        pair = ["user_id", "track_id"]
        who = task.asked.select("query_id", "user_id").distinct()
        relevant = task.truth.join(who, "query_id").select(*pair)
        known = split.train.select(*pair).unionByName(task.asked.select(*pair))
        if leaked := relevant.join(known, pair, "left_semi").count():
            raise EvaluationError(
                f"Task {task.name!r}: {leaked} of the relevant tracks stand in the training rows of the very users that are asked "
                "for them; the split leaks."
            )


def _asked(train: DataFrame, truth: DataFrame) -> DataFrame:
    known = train.join(truth.select("user_id").distinct(), "user_id", "left_semi")
    return known.select(F.col("user_id").alias("query_id"), "user_id", "track_id", "rating").localCheckpoint()


def _truth(truth: DataFrame, train: DataFrame) -> DataFrame:
    known = truth.join(train.select("user_id").distinct(), "user_id", "left_semi")
    return known.select(F.col("user_id").alias("query_id"), "track_id", "rating").localCheckpoint()


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


@dataclass(frozen=True)
class PerUserRandom:
    """A share of each user's tracks is held back."""

    share: float = 0.2
    """Of a user's tracks, rounded down, but at least one; users with a single track are learned from and not asked."""
    min_rating: float = 1.0
    seed: int = 7

    def split(self, listening: Listening) -> Split:
        """One task: the held tracks, with the others known."""
        rows = listening.history.where(F.col("rating") >= self.min_rating)
        by_draw = Window.partitionBy("user_id").orderBy(draw(self.seed, "user_id", "track_id"), "track_id")
        count = F.count("*").over(Window.partitionBy("user_id"))
        held = F.when(count >= 2, F.greatest(F.lit(1), F.floor(count * self.share))).otherwise(0)
        drawn = rows.withColumn("held", F.row_number().over(by_draw) <= held).localCheckpoint()
        protocol = f"of each user's tracks {self.share:.0%} (at least one of two) held back at random; seed {self.seed}"
        return _held_back(
            "random", protocol, listening, drawn, lambda rest: replace(self, seed=self.seed + 1).split(rest)
        )


@dataclass(frozen=True)
class LeaveLast:
    """The last tracks of each user are held back."""

    last: int = 1
    min_rating: float = 1.0

    def split(self, listening: Listening) -> Split:
        """One task. Users with no more than `last` tracks are learned from and not asked."""
        rows = listening.history.where((F.col("rating") >= self.min_rating) & F.col("last_heard").isNotNull())
        newest = Window.partitionBy("user_id").orderBy(F.desc("last_heard"), "track_id")
        count = F.count("*").over(Window.partitionBy("user_id"))
        drawn = rows.withColumn(
            "held", (F.row_number().over(newest) <= self.last) & (count > self.last)
        ).localCheckpoint()
        protocol = (
            f"the last {self.last} of each user's tracks held back; others' later plays are learned from, "
            "so this is not the future"
        )
        return _held_back("last", protocol, listening, drawn, self.split)


def _held_back(
    name: str, protocol: str, listening: Listening, drawn: DataFrame, again: Callable[[Listening], Split]
) -> Split:
    columns = ("user_id", "track_id", "rating")
    rest = drawn.where("NOT held").drop("held")
    train, truth = rest.select(*columns), drawn.where("held").select(*columns)
    task = Task(
        "discovery",
        "the held tracks among all that the user is not known to have heard",
        _asked(train, truth),
        _truth(truth, train),
        "unheard",
    )
    return Split(name, protocol, train, train, (task,), lambda: again(replace(listening, history=rest)))


@dataclass(frozen=True)
class HeldOutUsers:
    """Liang, Krishnan, Hoffman, Jebara 2018 (Mult-VAE): users are held out whole; part of their tracks is told when they ask."""

    users: int = 50_000
    """Held-out users to ask, and as many more for tuning. Theirs for MSD; a tenth of all where there are fewer than ten times as
    many."""
    min_listeners: int = 200
    """Fewest listeners of a track. Theirs for MSD."""
    min_tracks: int = 20
    """Fewest tracks of a user. Theirs for MSD."""
    told: float = 0.8
    """Share of a held-out user's tracks that the model is told; the rest is asked for. Theirs."""
    min_rating: float = 1.0
    seed: int = 98765
    """Theirs, for what it is worth: they draw with numpy, here a hash draws."""

    def split(self, listening: Listening) -> Split:
        """One task. As many users again are held out for tuning: on them, with the same training part."""
        rows = self._dense(listening.history.where(F.col("rating") >= self.min_rating)).localCheckpoint()
        everybody = rows.select("user_id").distinct()
        held = min(self.users, everybody.count() // 10)
        by_draw = Window.orderBy(draw(self.seed, "user_id"), "user_id")
        drawn = (
            everybody.withColumn("place", F.row_number().over(by_draw))
            .where(F.col("place") <= 2 * held)
            .localCheckpoint()
        )
        train = rows.join(drawn, "user_id", "left_anti").select("user_id", "track_id", "rating").localCheckpoint()
        protocol = (
            f"{held:,} users held out whole (and as many for tuning), {self.told:.0%} of their tracks told; tracks of at least "
            f"{self.min_listeners} listeners, users of at least {self.min_tracks} tracks (Liang 2018)"
        )
        known = rows.join(train.select("track_id").distinct(), "track_id", "left_semi")
        tested, tuned = drawn.where(F.col("place") <= held), drawn.where(F.col("place") > held)

        def tuning() -> Split:
            return Split("users", protocol, train, train, (self._task(known, tuned),), tuning)

        return Split("users", protocol, train, train, (self._task(known, tested),), tuning)

    def _task(self, rows: DataFrame, users: DataFrame) -> Task:
        theirs = rows.join(users.select("user_id"), "user_id", "left_semi")
        by_draw = Window.partitionBy("user_id").orderBy(draw(self.seed, "user_id", "track_id"), "track_id")
        told = F.row_number().over(by_draw) <= F.ceil(F.count("*").over(Window.partitionBy("user_id")) * self.told)
        parts = theirs.withColumn("told", told).localCheckpoint()
        columns = ("user_id", "track_id", "rating")
        asked, truth = parts.where("told").select(*columns), parts.where("NOT told").select(*columns)
        untold = "the untold tracks of users that no model has learned from"
        return Task("discovery", untold, _asked(asked, truth), _truth(truth, asked), "unheard")

    def _dense(self, rows: DataFrame) -> DataFrame:
        """Tracks first, then users, once each, as theirs."""
        tracks = rows.groupBy("track_id").count().where(F.col("count") >= self.min_listeners).select("track_id")
        kept = rows.join(tracks, "track_id", "left_semi")
        users = kept.groupBy("user_id").count().where(F.col("count") >= self.min_tracks).select("user_id")
        return kept.join(users, "user_id", "left_semi")
