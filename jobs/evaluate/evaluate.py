"""Every model asked the same on the same split: lists of all tracks that training knows, metrics in Spark, users' values kept."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate import beyond, metrics, segments
from jobs.evaluate.confidence import confidence_scores
from jobs.evaluate.contenders import Contender
from jobs.evaluate.given import honest
from jobs.evaluate.intervals import intervals
from jobs.evaluate.result import JUDGED_BY, Result
from jobs.evaluate.splits import Split, Task, require_untold
from jobs.lake.collect import collect_arrow
from jobs.recommenders.training_data import Learned, learn
from jobs.spark import run_parallel
from models.top_n import Recommender, TooLarge, top_n

BEYOND_AT = 20
"""Places for which coverage, novelty and their like are told: the overall list's length."""
CONFIDENCE_AT = 10
"""N of PMRS's confidence score: the length of a genre's list."""
LISTS = pa.schema({"query_id": pa.string(), "rank": pa.int32(), "track_id": pa.string(), "score": pa.float64()})
"""A ranking table."""


@dataclass(frozen=True)
class Facts:
    """What is known of the tracks and users beside the split."""

    tracks: DataFrame
    """Table `tracks`: the whole catalogue."""
    genres: DataFrame | None
    """Table `track_genres`; None where the night has none yet."""
    genre_names: tuple[str, ...]
    users: DataFrame
    """Table `users`."""


@dataclass(frozen=True)
class Asked:
    """One model that was fitted and asked."""

    results: list[Result]
    """One per task."""
    evaluated: DataFrame
    """Its rows of table `evaluated`."""
    model: Recommender
    """As fitted from the first seed."""
    lists: dict[str, DataFrame]
    """Its lists by task, from the first seed."""


@dataclass(frozen=True)
class Evaluation:
    """One split, and what is needed to ask models on it."""

    split: Split
    facts: Facts
    folder: Path
    """Lists are set aside here; whoever made it removes it."""
    say: Callable[[str], object] = lambda text: None
    left_out: dict[str, str] = field(default_factory=dict)
    """Tasks and models that were not evaluated, with the reason."""

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The split's tasks that ask somebody. Raises EvaluationError where none does, and for a split that leaks."""
        require_untold(self.split)
        found = []
        for task in self.split.tasks:
            if task.truth.isEmpty():
                self.left_out[task.name] = "it asks nobody: there is no relevant track"
            else:
                found.append(task)
        if not found:
            raise EvaluationError(
                f"There is nothing to ask ({self.split.protocol}): no user has both something to learn from and something to be "
                "asked for; take another --split, or other --days of a temporal one."
            )
        return tuple(found)

    def of_models(self, contenders: Sequence[Contender], tune: bool = True) -> Iterator[Asked]:
        """What each model was found to be. A model for which the data is too large is left out, with its reason."""
        timed = self.split.recent is not self.split.train
        for contender in (one for one in contenders if timed or not one.wants_times):
            if not any(task.offered in contender.answers for task in self.tasks):
                continue
            try:
                config = self._tuned(contender) if tune and len(contender.grid) > 1 else contender.grid[0]
                yield self._of_model(contender, config)
            except TooLarge as error:
                self.left_out[contender.name] = str(error)
                self.say(f"{contender.name}: left out: {error}")

    def of_lists(self, name: str, lists: DataFrame, task: str) -> tuple[Result, DataFrame]:
        """The same for a ranking table that somebody else made: `query_id`, `rank`, `track_id`, perhaps `score`.

        Raises EvaluationError for an unknown task, and for lists that would flatter or mean nothing (see `honest`).
        """
        one = next((t for t in self.tasks if t.name == task), None)
        if one is None:
            raise EvaluationError(f"This split has no task {task!r}; it has {', '.join(t.name for t in self.tasks)}.")
        typed = honest(name, lists, one)
        return self._scored(name, name, one, [(0, typed.where(F.col("rank") <= metrics.DEPTH))])

    @cached_property
    def learned(self) -> Learned:
        """What models learn from."""
        return self._learn(self.split)

    def _learn(self, split: Split) -> Learned:
        recent = None if split.recent is split.train else split.recent
        return learn(split.train, recent, self.facts.genres, self.facts.genre_names)

    @cached_property
    def _inner(self) -> tuple[Split, Learned]:
        """What models are tuned on."""
        part = self.split.inner()
        return part, self._learn(part)

    def _tuned(self, contender: Contender) -> Any:
        """The settings with the best NDCG@20 on the inner split's first task that the model answers; ties: the first."""
        split, learned = self._inner
        task = next((t for t in split.tasks if t.offered in contender.answers and not t.truth.isEmpty()), None)
        if task is None:
            raise EvaluationError(
                f"There is nothing to tune on ({split.protocol}); say --no-tune, or take other --days of a temporal split."
            )
        scores = []
        for number, config in enumerate(contender.grid, 1):
            self.say(f"{contender.name}: tuning, setting {number} of {len(contender.grid)}")
            lists = self._lists(contender.method.fit(learned, config, contender.seeds[0]), learned, task)
            valued = metrics.values(metrics.places(lists, task.truth, task.asked))
            scores.append(valued.agg(F.avg(f"`{JUDGED_BY}`")).collect()[0][0])
        return contender.grid[int(np.argmax(scores))]

    def _of_model(self, contender: Contender, config: Any) -> Asked:
        learned = self.learned
        began = time.monotonic()
        fitted = []
        for seed in contender.seeds:
            self.say(f"{contender.name}: fitting" + (f", seed {seed}" if len(contender.seeds) > 1 else ""))
            fitted.append((seed, contender.method.fit(learned, config, seed)))
        fit_seconds = (time.monotonic() - began) / len(fitted)
        results, rows, by_task = [], [], {}
        made: dict[tuple[int, str], tuple[list[tuple[int, DataFrame]], float]] = {}
        for task in (t for t in self.tasks if t.offered in contender.answers):
            self.say(f"{contender.name}: {task.name}")
            alike = id(task.asked), task.offered  # tasks that are told the same get the same lists
            if alike not in made:
                began = time.monotonic()
                new = [(seed, self._lists(model, learned, task)) for seed, model in fitted]
                made[alike] = new, (time.monotonic() - began) / len(new)
            lists, list_seconds = made[alike]
            by_task[task.name] = lists
            result, evaluated = self._scored(contender.name, contender.method.title, task, lists)
            result.settings, result.seeds = asdict(config), contender.seeds if len(contender.seeds) > 1 else ()
            result.fit_seconds, result.list_seconds = round(fit_seconds, 2), round(list_seconds, 2)
            results.append(result)
            rows.append(evaluated)
        first = {task: lists[0][1] for task, lists in by_task.items()}
        return Asked(results, reduce(DataFrame.unionByName, rows), fitted[0][1], first)

    def _lists(self, model: Recommender, learned: Learned, task: Task) -> DataFrame:
        """Lists of every query of a task, DEPTH places each, written block by block into a file of their own."""
        queries, asked = learned.asked(task.asked)
        ids, tracks = pa.array(queries), pa.array(learned.tracks)
        file = self.folder / f"lists-{uuid.uuid4().hex[:12]}.parquet"
        with pq.ParquetWriter(file, LISTS) as out:
            for row, item, score in top_n(model, asked, metrics.DEPTH, task.offered):
                place = (np.arange(row.size) - np.searchsorted(row, row) + 1).astype(np.int32)
                columns = [
                    ids.take(pa.array(row)),
                    pa.array(place),
                    tracks.take(pa.array(item)),
                    score.astype(np.float64),
                ]
                out.write_table(pa.table(columns, schema=LISTS))
        return task.asked.sparkSession.read.parquet(file.resolve().as_uri())

    def _scored(
        self, name: str, title: str, task: Task, lists: Sequence[tuple[int, DataFrame]]
    ) -> tuple[Result, DataFrame]:
        """`lists`: by seed. What describes lists (coverage, parts of the tracks, confidence) is told of the first seed's."""
        placed = [
            metrics.places(found, task.truth, task.asked).withColumn("seed", F.lit(seed)) for seed, found in lists
        ]
        rows = reduce(DataFrame.unionByName, placed).localCheckpoint()
        valued, wanted, first = metrics.values(rows), metrics.names(), lists[0][1]
        matrix, by_seed, seen, by_user, by_track, confidence = run_parallel(
            rows.sparkSession,
            lambda: _per_user(valued, wanted),
            lambda: [row[1] for row in valued.groupBy("seed").agg(F.avg(f"`{JUDGED_BY}`")).collect()],
            lambda: self._beyond(first, task),
            lambda: segments.of_users(valued, task, self.facts.users),
            lambda: segments.of_tracks(first, task, self.split.train, self.facts.genres),
            lambda: self._confidence(first, task),
        )
        result = Result(
            name,
            title,
            task.name,
            queries=rows.count() // len(lists),
            users=len(matrix),
            metrics=dict(zip(wanted, intervals(matrix), strict=True)),
            beyond=seen,
            segments=by_user + by_track,
            confidence=confidence,
            seed_spread=max(by_seed) - min(by_seed),
            per_user=matrix,
        )
        labels = {"split": self.split.name, "protocol": self.split.protocol, "model": name, "task": task.name}
        return result, rows.select(*[F.lit(value).alias(key) for key, value in labels.items()], *rows.columns)

    def of_stored(self, evaluated: DataFrame, model: str) -> dict[str, NDArray[np.float64]]:
        """`per_user` of a model by task, from table `evaluated`; tasks of which it holds other queries are left out."""
        found = {}
        same = (
            (F.col("split") == self.split.name) & (F.col("protocol") == self.split.protocol) & (F.col("model") == model)
        )
        for task in self.tasks:
            mine = evaluated.where(same & (F.col("task") == task.name))
            now = task.truth.groupBy("query_id").agg(F.count("*").cast("int").alias("relevant"))
            then = mine.select("query_id", "relevant").distinct()
            if now.exceptAll(then).isEmpty() and then.exceptAll(now).isEmpty():
                found[task.name] = _per_user(metrics.values(mine), metrics.names())
        return found

    def _beyond(self, lists: DataFrame, task: Task) -> dict[str, float]:
        told = beyond.per_query(lists, task.asked, self.split.train, self.facts.tracks, BEYOND_AT)
        means = told.agg(*[F.avg(c).alias(c) for c in told.columns if c != "query_id"]).collect()[0].asDict()
        found = {name: float(value) for name, value in means.items() if value is not None}
        found |= beyond.exposure(lists, self.facts.tracks, BEYOND_AT)
        return found | {"diversity": beyond.diversity(lists, self.learned, BEYOND_AT)}

    def _confidence(self, lists: DataFrame, task: Task) -> list[dict[str, Any]]:
        if self.facts.genres is None or task.offered != "unheard":
            return []
        found = confidence_scores(lists, task.truth, self.facts.genres, CONFIDENCE_AT, segments.FEWEST)
        return [row.asDict() for row in found.collect()]


def _per_user(valued: DataFrame, wanted: list[str]) -> NDArray[np.float64]:
    means = valued.groupBy("user_id").agg(*[F.avg(f"`{name}`").alias(name) for name in wanted])
    # kept, or all of it would be computed twice: once to be counted
    table = collect_arrow(means.localCheckpoint().orderBy("user_id"), 40 + 8 * len(wanted), "the users' metrics")
    return np.stack([table[name].to_numpy() for name in wanted], axis=1)
