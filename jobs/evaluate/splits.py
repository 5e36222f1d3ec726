"""Split interactions into training data and test queries.

Sampling goes by SHA-256 of `seed|user_id[|track_id]`: any tool can reproduce it, and it does not depend on the order of
rows. Every splitter can also split a split's own training data; models are tuned on that inner split alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate.interactions import Interactions
from models.protocol import CandidateFilter

COLUMNS = ("user_id", "track_id", "rating")


@dataclass(frozen=True)
class Task:
    """Test queries of one kind; every model answers the same ones."""

    name: str
    protocol: str
    """The task in a sentence."""
    inputs: DataFrame
    """`query_id`, `user_id`, `track_id`, `rating`: the interactions that a model sees of each query."""
    truth: DataFrame
    """`query_id`, `track_id`, `rating`: the relevant tracks, each once; `inputs` has every query of it."""
    candidate_filter: CandidateFilter
    """Candidate filter of the lists."""
    input_sequence: DataFrame | None = None
    """`query_id`, `position`, `track_id`: the plays behind `inputs` in play order, positions counted in the session.
    None if the inputs have no order."""


@dataclass(frozen=True)
class Split:
    """Training data and test tasks."""

    name: str
    protocol: str
    train: DataFrame
    """`user_id`, `track_id`, `rating`: the training data."""
    recent: DataFrame
    """The training data of the last days, for windowed popularity; `train` itself if there are no timestamps."""
    tasks: tuple[Task, ...]
    inner: Callable[[], "Split"]
    """Returns the same split of `train`, for tuning."""
    events: DataFrame | None = None
    """The events behind `train`; None if there are no timestamps."""
    plays: DataFrame | None = None
    """The session plays behind `train` as `session_plays.order_session_plays` returns them, for sequence models; None if there are
    no timestamps."""


def hash_rank(seed: int, *columns: str) -> Column:
    """Return a pseudo-random number from 0 to 2^60 - 1: the first 15 hex digits of SHA-256 of `seed|a|b`."""
    return F.conv(F.substring(F.sha2(F.concat_ws("|", F.lit(str(seed)), *columns), 256), 1, 15), 16, 10).cast("long")


def require_no_leak(split: Split) -> None:
    """Raise EvaluationError if a task that excludes seen tracks has a relevant track in the user's training data or inputs."""
    for task in (task for task in split.tasks if task.candidate_filter == "exclude_seen"):
        pair = ["user_id", "track_id"]
        query_users = task.inputs.select("query_id", "user_id").distinct()
        relevant = task.truth.join(query_users, "query_id").select(*pair)
        seen = split.train.select(*pair).unionByName(task.inputs.select(*pair))
        if n_leaked := relevant.join(seen, pair, "left_semi").count():
            raise EvaluationError(
                f"Task {task.name!r}: {n_leaked} relevant tracks are in the training data of the users that are tested on "
                "them; the split leaks."
            )


def build_inputs(train: DataFrame, truth: DataFrame) -> DataFrame:
    """Return `query_id`, `user_id`, `track_id`, `rating`: the training data of every user of `truth`."""
    tested = train.join(truth.select("user_id").distinct(), "user_id", "left_semi")
    return tested.select(F.col("user_id").alias("query_id"), *COLUMNS).localCheckpoint()


def build_truth(truth: DataFrame, train: DataFrame) -> DataFrame:
    """Return `query_id`, `track_id`, `rating` of `truth` for users with training data."""
    warm = truth.join(train.select("user_id").distinct(), "user_id", "left_semi")
    return warm.select(F.col("user_id").alias("query_id"), "track_id", "rating").localCheckpoint()


@dataclass(frozen=True)
class PerUserRandom:
    """Holds out a random share of each user's tracks."""

    share: float = 0.2
    """Share of a user's tracks, rounded down, but at least one. Users with one track are training data only."""
    min_rating: float = 1.0
    seed: int = 7

    def split(self, interactions: Interactions) -> Split:
        """Return a split with one task: predict the held-out tracks from the others."""
        rows = interactions.history.where(F.col("rating") >= self.min_rating)
        by_hash = Window.partitionBy("user_id").orderBy(hash_rank(self.seed, "user_id", "track_id"), "track_id")
        count = F.count("*").over(Window.partitionBy("user_id"))
        n_held_out = F.when(count >= 2, F.greatest(F.lit(1), F.floor(count * self.share))).otherwise(0)
        marked = rows.withColumn("held_out", F.row_number().over(by_hash) <= n_held_out).localCheckpoint()
        protocol = (
            f"a random {self.share:.0%} of each user's tracks (at least one of two) is held out; seed {self.seed}"
        )
        return _split_held_out(
            "random", protocol, interactions, marked, lambda rest: replace(self, seed=self.seed + 1).split(rest)
        )


@dataclass(frozen=True)
class LeaveLast:
    """Holds out the last tracks of each user."""

    last: int = 1
    min_rating: float = 1.0

    def split(self, interactions: Interactions) -> Split:
        """Return a split with one task. Users with `last` tracks or fewer are training data only."""
        rows = interactions.history.where((F.col("rating") >= self.min_rating) & F.col("last_event_at").isNotNull())
        newest_first = Window.partitionBy("user_id").orderBy(F.desc("last_event_at"), "track_id")
        count = F.count("*").over(Window.partitionBy("user_id"))
        held_out = (F.row_number().over(newest_first) <= self.last) & (count > self.last)
        marked = rows.withColumn("held_out", held_out).localCheckpoint()
        protocol = (
            f"the last {self.last} of each user's tracks are held out; training includes later plays of other users, "
            "so this is not a forecast"
        )
        return _split_held_out("last", protocol, interactions, marked, self.split)


def _split_held_out(
    name: str, protocol: str, interactions: Interactions, marked: DataFrame, split_rest: Callable[[Interactions], Split]
) -> Split:
    """Return the split of `marked` (history rows with `held_out`); `split_rest` splits the training part again."""
    rest = marked.where("NOT held_out").drop("held_out")
    train, truth = rest.select(*COLUMNS), marked.where("held_out").select(*COLUMNS)
    task = Task(
        "discovery",
        "rank the held-out tracks among all tracks that the user has not seen",
        build_inputs(train, truth),
        build_truth(truth, train),
        "exclude_seen",
    )
    return Split(name, protocol, train, train, (task,), lambda: split_rest(replace(interactions, history=rest)))


@dataclass(frozen=True)
class HeldOutUsers:
    """Holds out users, as Liang, Krishnan, Hoffman and Jebara 2018 (Mult-VAE); a part of their tracks is the model's input."""

    users: int = 50_000
    """Held-out test users, and as many for tuning (the paper's for MSD). A tenth of all users if there are fewer than ten
    times as many."""
    min_users_per_track: int = 200
    """The paper's for MSD."""
    min_tracks: int = 20
    """Fewest tracks of a user. The paper's for MSD."""
    input_ratio: float = 0.8
    """Share of a held-out user's tracks that the model sees; the rest is to be predicted. The paper's."""
    min_rating: float = 1.0
    seed: int = 98765
    """The paper's; it samples with numpy, this class by hash."""

    def split(self, interactions: Interactions) -> Split:
        """Return a split with one task. Its inner split has other held-out users and the same training data."""
        rows = self._filter_dense(interactions.history.where(F.col("rating") >= self.min_rating)).localCheckpoint()
        users = rows.select("user_id").distinct()
        n_test = min(self.users, users.count() // 10)
        by_hash = Window.orderBy(hash_rank(self.seed, "user_id"), "user_id")
        ordered = users.withColumn("position", F.row_number().over(by_hash))
        held_out = ordered.where(F.col("position") <= 2 * n_test).localCheckpoint()
        train = rows.join(held_out, "user_id", "left_anti").select(*COLUMNS).localCheckpoint()
        protocol = (
            f"{n_test:,} users are held out (and as many for tuning), {self.input_ratio:.0%} of their tracks are inputs; "
            f"tracks of at least {self.min_users_per_track} users, users of at least {self.min_tracks} tracks (Liang 2018)"
        )
        in_training = rows.join(train.select("track_id").distinct(), "track_id", "left_semi")
        test_users, tuning_users = (
            held_out.where(F.col("position") <= n_test),
            held_out.where(F.col("position") > n_test),
        )

        def inner() -> Split:
            return Split("users", protocol, train, train, (self._build_task(in_training, tuning_users),), inner)

        return Split("users", protocol, train, train, (self._build_task(in_training, test_users),), inner)

    def _build_task(self, rows: DataFrame, users: DataFrame) -> Task:
        user_rows = rows.join(users.select("user_id"), "user_id", "left_semi")
        by_user = Window.partitionBy("user_id")
        by_hash = by_user.orderBy(hash_rank(self.seed, "user_id", "track_id"), "track_id")
        is_input = F.row_number().over(by_hash) <= F.ceil(F.count("*").over(by_user) * self.input_ratio)
        marked = user_rows.withColumn("is_input", is_input).localCheckpoint()
        inputs, truth = marked.where("is_input").select(*COLUMNS), marked.where("NOT is_input").select(*COLUMNS)
        protocol = "rank the remaining tracks of users that are not in the training data"
        return Task("discovery", protocol, build_inputs(inputs, truth), build_truth(truth, inputs), "exclude_seen")

    def _filter_dense(self, rows: DataFrame) -> DataFrame:
        """Drop rare tracks, then users with few tracks, once each, as the paper does."""
        counts = rows.groupBy("track_id").count()
        tracks = counts.where(F.col("count") >= self.min_users_per_track).select("track_id")
        filtered = rows.join(tracks, "track_id", "left_semi")
        users = filtered.groupBy("user_id").count().where(F.col("count") >= self.min_tracks).select("user_id")
        return filtered.join(users, "user_id", "left_semi")
