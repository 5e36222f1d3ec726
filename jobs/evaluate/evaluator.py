"""Fit, tune and score every model on the same split; metrics are computed in Spark and stored per user."""

import time
import uuid
from collections.abc import Iterator, Sequence
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
from jobs.evaluate import beyond_accuracy, metrics, segments
from jobs.evaluate.bootstrap import intervals
from jobs.evaluate.confidence import confidence_scores
from jobs.evaluate.external_rankings import validate_rankings
from jobs.evaluate.model_specs import ModelSpec
from jobs.evaluate.result import PRIMARY_METRIC, Result
from jobs.evaluate.splits import Split, Task, require_no_leak
from jobs.evaluate.tuning import SETTING_SEPARATOR, read_lists, score_settings
from jobs.lake.collect import collect_arrow
from jobs.progress import ProgressCallback, ignore_progress
from jobs.recommenders.training_data import TrainingData, collect_training_data
from jobs.spark import run_parallel
from models.protocol import CatalogTooLargeError, Recommender
from models.topk import recommend

BEYOND_ACCURACY_AT = 20
"""Cutoff of coverage, novelty and the other beyond-accuracy metrics: the length of the overall list."""
CONFIDENCE_AT = 10
"""N of PMRS's confidence score: the length of a genre's list."""
LISTS_SCHEMA = pa.schema({"query_id": pa.string(), "rank": pa.int32(), "track_id": pa.string(), "score": pa.float64()})
SeedLists = Sequence[tuple[int, DataFrame]]
"""Lists of a model by seed."""


@dataclass(frozen=True)
class Metadata:
    """Tables about tracks and users, besides the split."""

    tracks: DataFrame
    """Table `tracks`: the whole catalogue."""
    genres: DataFrame | None
    """Table `track_genres`; None if the night has no genres yet."""
    genre_names: tuple[str, ...]
    users: DataFrame
    """Table `users`."""


@dataclass(frozen=True)
class EvaluatedModel:
    """One fitted model with its figures."""

    results: list[Result]
    """One per task."""
    evaluated: DataFrame
    """Its rows of table `evaluation_queries`."""
    model: Recommender
    """The model fitted with the first seed."""
    lists: dict[str, DataFrame]
    """Its lists by task, with the first seed."""


@dataclass(frozen=True)
class Evaluator:
    """Evaluates models on one split."""

    split: Split
    metadata: Metadata
    folder: Path
    """Folder of the lists; the caller that creates it also removes it."""
    on_progress: ProgressCallback = ignore_progress
    left_out: dict[str, str] = field(default_factory=dict)
    """Tasks and models that were not evaluated, with the reason."""

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The split's tasks that have queries. Raises EvaluationError if there are none, or if the split leaks."""
        require_no_leak(self.split)
        tasks = []
        for task in self.split.tasks:
            if task.truth.isEmpty():
                self.left_out[task.name] = "it has no queries: there is no relevant track"
            else:
                tasks.append(task)
        if not tasks:
            raise EvaluationError(
                f"There are no test queries ({self.split.protocol}): no user has both training data and test data; choose "
                "another --split, or other --days of a temporal one."
            )
        return tuple(tasks)

    def evaluate_models(self, specs: Sequence[ModelSpec], tune: bool = True) -> Iterator[EvaluatedModel]:
        """Fit and score each model. A model that does not support data of this size is left out, with the reason."""
        has_timestamps = self.split.recent is not self.split.train
        for spec in (spec for spec in specs if has_timestamps or not spec.needs_timestamps):
            if not any(task.candidate_filter in spec.supported_filters for task in self.tasks):
                continue
            try:
                config = self._tune(spec) if tune and len(spec.grid) > 1 else spec.grid[0]
                yield self._evaluate_model(spec, config)
            except CatalogTooLargeError as error:
                self.left_out[spec.name] = str(error)
                self._report(f"{spec.name}: left out: {error}")

    def evaluate_rankings(self, name: str, rankings: DataFrame, task_name: str) -> tuple[Result, DataFrame]:
        """Score an external ranking table: `query_id`, `rank`, `track_id`, optional `score`.

        Raises EvaluationError for an unknown task and for invalid rankings (see `validate_rankings`).
        """
        task = next((task for task in self.tasks if task.name == task_name), None)
        if task is None:
            available = ", ".join(task.name for task in self.tasks)
            raise EvaluationError(f"This split has no task {task_name!r}; available are {available}.")
        lists = validate_rankings(name, rankings, task)
        return self._score_lists(name, name, task, [(0, lists)])

    def stored_metrics(self, evaluated: DataFrame, model: str) -> dict[str, NDArray[np.float64]]:
        """Return a model's `per_user` by task from table `evaluation_queries`, for tasks with unchanged queries."""
        per_user = {}
        same = (
            (F.col("split") == self.split.name) & (F.col("protocol") == self.split.protocol) & (F.col("model") == model)
        )
        for task in self.tasks:
            stored = evaluated.where(same & (F.col("task") == task.name))
            queries = task.truth.groupBy("query_id").agg(F.count("*").cast("int").alias("relevant"))
            stored_queries = stored.select("query_id", "relevant").distinct()
            if queries.exceptAll(stored_queries).isEmpty() and stored_queries.exceptAll(queries).isEmpty():
                per_user[task.name] = _per_user(metrics.add_metrics(stored), metrics.metric_names())
        return per_user

    @cached_property
    def training_data(self) -> TrainingData:
        """The split's training data."""
        return self._load_training_data(self.split)

    def _load_training_data(self, split: Split) -> TrainingData:
        recent = None if split.recent is split.train else split.recent
        return collect_training_data(split.train, recent, self.metadata.genres, self.metadata.genre_names)

    @cached_property
    def _inner(self) -> tuple[Split, TrainingData]:
        """The inner split and its training data, for tuning."""
        split = self.split.inner()
        return split, self._load_training_data(split)

    @cached_property
    def _popularity(self) -> DataFrame:
        """Number of training users per track of the catalogue, computed once for all models."""
        return beyond_accuracy.build_popularity(self.split.train, self.metadata.tracks).localCheckpoint()

    @cached_property
    def _n_users(self) -> int:
        return self.split.train.select("user_id").distinct().count()

    def _tune(self, spec: ModelSpec) -> Any:
        """Return the settings with the best NDCG@20 on the first supported task of the inner split; ties: the first."""
        split, training_data = self._inner
        task = next((t for t in split.tasks if t.candidate_filter in spec.supported_filters and not t.truth.isEmpty()), None)
        if task is None:
            raise EvaluationError(
                f"There are no tuning queries ({split.protocol}); use --no-tune, or other --days of a temporal split."
            )
        files = []
        for number, config in enumerate(spec.grid):
            self._report(f"{spec.name}: tuning, setting {number + 1} of {len(spec.grid)}")
            model = spec.method.fit(training_data, config, spec.seeds[0])
            files.append(self._write_lists(model, training_data, task, f"{number}{SETTING_SEPARATOR}"))
        scores = score_settings(files, task)
        # rounded, so that the order of a sum does not decide between settings with the same lists
        return spec.grid[int(np.argmax([round(scores[str(number)], 12) for number in range(len(spec.grid))]))]

    def _evaluate_model(self, spec: ModelSpec, config: Any) -> EvaluatedModel:
        start = time.monotonic()
        fitted = []
        for seed in spec.seeds:
            self._report(f"{spec.name}: fitting" + (f", seed {seed}" if len(spec.seeds) > 1 else ""))
            fitted.append((seed, spec.method.fit(self.training_data, config, seed)))
        fit_seconds = (time.monotonic() - start) / len(fitted)
        results, rows, first_lists = [], [], {}
        ranked: dict[tuple[int, str], tuple[SeedLists, float]] = {}
        for task in (task for task in self.tasks if task.candidate_filter in spec.supported_filters):
            self._report(f"{spec.name}: {task.name}")
            key = id(task.inputs), task.candidate_filter  # tasks with the same inputs and filter have the same lists
            if key not in ranked:
                start = time.monotonic()
                lists = [(seed, self._rank(model, self.training_data, task)) for seed, model in fitted]
                ranked[key] = lists, (time.monotonic() - start) / len(lists)
            seed_lists, list_seconds = ranked[key]
            first_lists[task.name] = seed_lists[0][1]
            result, evaluated = self._score_lists(spec.name, spec.method.title, task, seed_lists)
            result.settings, result.seeds = asdict(config), spec.seeds if len(spec.seeds) > 1 else ()
            result.fit_seconds, result.list_seconds = round(fit_seconds, 2), round(list_seconds, 2)
            results.append(result)
            rows.append(evaluated)
        return EvaluatedModel(results, reduce(DataFrame.unionByName, rows), fitted[0][1], first_lists)

    def _rank(self, model: Recommender, training_data: TrainingData, task: Task) -> DataFrame:
        """Return lists of every query of a task, DEPTH ranks each."""
        return read_lists([self._write_lists(model, training_data, task)], task)

    def _write_lists(self, model: Recommender, training_data: TrainingData, task: Task, prefix: str = "") -> Path:
        """Rank the candidates of every query, and write the lists to a Parquet file; query ids begin with `prefix`."""
        ids, queries = training_data.queries(task.inputs, task.input_sequence)
        query_ids, tracks = pa.array([prefix + query for query in ids]), pa.array(training_data.tracks)
        file = self.folder / f"lists-{uuid.uuid4().hex[:12]}.parquet"
        with pq.ParquetWriter(file, LISTS_SCHEMA) as writer:
            for row, item, score in recommend(model, queries, metrics.DEPTH, task.candidate_filter):
                rank = (np.arange(row.size) - np.searchsorted(row, row) + 1).astype(np.int32)
                columns = [
                    query_ids.take(pa.array(row)),
                    pa.array(rank),
                    tracks.take(pa.array(item)),
                    score.astype(np.float64),
                ]
                writer.write_table(pa.table(columns, schema=LISTS_SCHEMA))
        return file

    def _score_lists(self, name: str, title: str, task: Task, lists: SeedLists) -> tuple[Result, DataFrame]:
        """Return figures of lists and their rows of `evaluation_queries`.

        Ranking metrics, and their means by groups of users, use the lists of all seeds; all else uses the first seed's.
        """
        hits = [
            metrics.hit_ranks(ranked, task.truth, task.inputs).withColumn("seed", F.lit(seed)) for seed, ranked in lists
        ]
        rows = reduce(DataFrame.unionByName, hits).localCheckpoint()
        query_metrics, names, first = metrics.add_metrics(rows), metrics.metric_names(), lists[0][1]
        per_user, by_seed, beyond, by_user, by_track, confidence = run_parallel(
            rows.sparkSession,
            lambda: _per_user(query_metrics, names),
            lambda: [row[1] for row in query_metrics.groupBy("seed").agg(F.avg(f"`{PRIMARY_METRIC}`")).collect()],
            lambda: self._beyond_accuracy(first, task),
            lambda: segments.user_segments(query_metrics, task, self.metadata.users),
            lambda: segments.track_segments(first, task, self.split.train, self.metadata.genres),
            lambda: self._confidence(first, task),
        )
        result = Result(
            name,
            title,
            task.name,
            queries=rows.count() // len(lists),
            users=len(per_user),
            metrics=dict(zip(names, intervals(per_user), strict=True)),
            beyond_accuracy=beyond,
            segments=by_user + by_track,
            confidence=confidence,
            seed_spread=max(by_seed) - min(by_seed),
            per_user=per_user,
        )
        labels = {"split": self.split.name, "protocol": self.split.protocol, "model": name, "task": task.name}
        return result, rows.select(*[F.lit(value).alias(key) for key, value in labels.items()], *rows.columns)

    def _beyond_accuracy(self, lists: DataFrame, task: Task) -> dict[str, float]:
        tracks, k = self.metadata.tracks, BEYOND_ACCURACY_AT
        by_query = beyond_accuracy.per_query(lists, task.inputs, self._popularity, self._n_users, k)
        means = by_query.agg(*[F.avg(c).alias(c) for c in by_query.columns if c != "query_id"]).collect()[0].asDict()
        figures = {name: float(value) for name, value in means.items() if value is not None}
        figures |= beyond_accuracy.exposure(lists, tracks, k)
        return figures | {"diversity": beyond_accuracy.diversity(lists, self.training_data, k)}

    def _confidence(self, lists: DataFrame, task: Task) -> list[dict[str, Any]]:
        if self.metadata.genres is None or task.candidate_filter != "exclude_seen":
            return []
        rows = confidence_scores(lists, task.truth, self.metadata.genres, CONFIDENCE_AT, segments.MIN_USERS)
        return [row.asDict() for row in rows.collect()]

    def _report(self, step: str) -> None:
        self.on_progress(step, 0, 0)


def _per_user(query_metrics: DataFrame, names: list[str]) -> NDArray[np.float64]:
    """Return [users, metrics]: means over queries and seeds."""
    means = query_metrics.groupBy("user_id").agg(*[F.avg(f"`{name}`").alias(name) for name in names])
    # the checkpoint avoids a second computation for the row count
    table = collect_arrow(means.localCheckpoint().orderBy("user_id"), 40 + 8 * len(names), "the metrics per user")
    return np.stack([table[name].to_numpy() for name in names], axis=1)
