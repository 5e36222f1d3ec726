"""What a model may learn from, what it is asked, and what would have been right.

Whatever is drawn is drawn by SHA-256 of `seed|user_id[|track_id]`, so that any tool can draw the same; nothing depends on the order
of rows. Each way to split can also be applied to a split's own training part: on that, and on nothing else, models are tuned.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate.listening import Listening
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


def asked_of(train: DataFrame, truth: DataFrame) -> DataFrame:
    """What is told of the users who are asked for something: `query_id`, `user_id`, `track_id`, `rating` of training."""
    known = train.join(truth.select("user_id").distinct(), "user_id", "left_semi")
    return known.select(F.col("user_id").alias("query_id"), "user_id", "track_id", "rating").localCheckpoint()


def truth_of(truth: DataFrame, train: DataFrame) -> DataFrame:
    """What is asked for, of users whom training knows: `query_id`, `track_id`, `rating`."""
    known = truth.join(train.select("user_id").distinct(), "user_id", "left_semi")
    return known.select(F.col("user_id").alias("query_id"), "track_id", "rating").localCheckpoint()


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
        rows = listening.history.where((F.col("rating") >= self.min_rating) & F.col("last_event_at").isNotNull())
        newest = Window.partitionBy("user_id").orderBy(F.desc("last_event_at"), "track_id")
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
        asked_of(train, truth),
        truth_of(truth, train),
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
        return Task("discovery", untold, asked_of(asked, truth), truth_of(truth, asked), "unheard")

    def _dense(self, rows: DataFrame) -> DataFrame:
        """Tracks first, then users, once each, as theirs."""
        tracks = rows.groupBy("track_id").count().where(F.col("count") >= self.min_listeners).select("track_id")
        kept = rows.join(tracks, "track_id", "left_semi")
        users = kept.groupBy("user_id").count().where(F.col("count") >= self.min_tracks).select("user_id")
        return kept.join(users, "user_id", "left_semi")
