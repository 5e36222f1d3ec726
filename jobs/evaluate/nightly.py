"""Evaluate last night's lists by what their users played on the day for the first time: `pmrs run quality --date D`.

The job of night D evaluates the lists of night D-1. If that night does not exist, `quality` is empty, with a log message.

* Lists: the overall ones of `ranked` of D-1, as they are in the lake.
* Relevant tracks: those in `history` of D with a rating of at least 1 that `history` of D-1 lacks for the user, and whose latest
  event is of D. A late event (received on D, played earlier) is not relevant, because no list of D-1 could have met it; nor are
  play counts, which have no timestamp. A late first play that is followed by another on D counts as a discovery.
* Test users: those with a list and a relevant track. A track that only D's catalogue has counts as missed.
* Baselines: two charts as of D-1, of all ratings of at least 1 by number of users (ties by track id). `popularity` counts all
  of them; `popularity_window` those last played in the 28 days up to D-1. A user's chart list leaves out what the user has
  played or what deletion requests cover. Charts contain rated tracks only; live lists may contain others. An empty chart is
  left out.
* List lengths: those of the job `rank` of D.

PMRS's confidence score (jobs/evaluate/confidence.py) goes per genre into `genre_confidence`: the genre's lists of D-1, and the
chart's first tracks of the genre, against the relevant tracks. Genres are those of D-1, by which the lists were made.

The metrics go by rank: `ranked.score` is rounded and comparable within one tier only, so that ties cannot be recognised.
"""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.evaluate import metrics
from jobs.evaluate.bootstrap import Interval, intervals
from jobs.evaluate.confidence import confidence_scores
from jobs.evaluate.config import QualityConfig
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import erased_pairs, without_erased
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.recommenders.list_rules import OVERALL, excluded_pairs, list_limit
from jobs.recommenders.methods import POPULARITY, POPULARITY_WINDOW
from jobs.spark import run_parallel

LOG = logger(__name__)
LIVE = "live"
CHARTS = (POPULARITY, POPULARITY_WINDOW)
PAIR = ["user_id", "track_id"]
Row = dict[str, Any]


def build_truth(today: DataFrame, previous: DataFrame, night: dt.date, min_rating: float) -> DataFrame:
    """Return the relevant tracks: `user_id`, `track_id`. `today`, `previous`: `history` of the night and of the one before."""
    on_the_day = (F.to_date("last_event_at") == F.lit(night)) & (F.col("rating") >= min_rating)
    return today.where(on_the_day).select(*PAIR).join(previous.select(*PAIR), PAIR, "left_anti")


def build_charts(previous: DataFrame, night: dt.date, config: QualityConfig) -> DataFrame:
    """Return `model`, `track_id`, `position` (1-based): rated tracks by number of users, then by id."""
    is_rated = F.col("rating") >= config.min_rating
    in_window = F.to_date("last_event_at") >= F.lit(night - dt.timedelta(days=config.window_days))
    counts = previous.groupBy("track_id").agg(
        F.count_if(is_rated).alias(POPULARITY), F.count_if(is_rated & in_window).alias(POPULARITY_WINDOW)
    )
    by_model = counts.unpivot("track_id", list(CHARTS), "model", "n_users").where("n_users > 0")
    by_popularity = Window.partitionBy("model").orderBy(F.desc("n_users"), "track_id")
    return by_model.select("model", "track_id", F.row_number().over(by_popularity).alias("position"))


def build_chart_lists(
    users: DataFrame, excluded: DataFrame, charts: DataFrame, k: int, chart_key: tuple[str, ...] = ("model",)
) -> DataFrame:
    """Return `user_id`, `chart_key`, `rank`, `track_id`: the first `k` tracks of each chart that are not excluded for the user.

    The result is exact, in time linear in the excluded pairs: an exclusion matters only if fewer than `k` tracks that are not
    excluded are above it, and each of those moves the end of the list down by one position. `users`: `user_id` and
    `chart_key`, each once; `excluded`: `user_id`, `track_id`, each once.
    """
    by_position = Window.partitionBy("user_id", *chart_key).orderBy("position")
    skips = excluded.join(users.select("user_id").distinct(), "user_id", "left_semi").join(charts, "track_id")
    n_above = F.col("position") - F.row_number().over(by_position)
    relevant_skips = skips.withColumn("n_above", n_above).where(F.col("n_above") < k)
    skipped = relevant_skips.groupBy("user_id", *chart_key).agg(F.collect_list("position").alias("skipped"))
    with_skips = users.select("user_id", *chart_key).join(skipped, ["user_id", *chart_key], "left")
    skipped_positions = F.coalesce("skipped", F.array().cast("array<int>"))
    positions = F.array_except(F.sequence(F.lit(1), F.size(skipped_positions) + k), skipped_positions)
    ranked = with_skips.select("user_id", *chart_key, F.posexplode(positions).alias("index", "position"))
    rank = (F.col("index") + 1).alias("rank")
    return ranked.join(charts, [*chart_key, "position"]).select("user_id", *chart_key, rank, "track_id")


def build_genre_confidence(
    lists: DataFrame, discovered: DataFrame, excluded: DataFrame, chart: DataFrame, genres: DataFrame, k: int
) -> list[Row]:
    """Return `model` (live, popularity), `genre`, `users`, `confidence`: PMRS's score per genre.

    `lists`: `user_id`, `rank` in the genre's list, `track_id`; `discovered`: `user_id`, `track_id`, `rating`; `excluded`:
    `user_id`, `track_id`; `chart`: `track_id`, `position`; `genres`: `track_id`, `genre`.
    """
    track_genres = genres.where("genre IS NOT NULL").select("track_id", "genre")
    in_genre = Window.partitionBy("genre").orderBy("position")
    charts = chart.join(track_genres, "track_id").withColumn("position", F.row_number().over(in_genre))
    users = discovered.join(track_genres, "track_id").select("user_id", "genre").distinct()
    popular = build_chart_lists(users, excluded, charts, k, ("genre",))
    rows: list[Row] = []
    for model, model_lists in ((LIVE, lists), (POPULARITY, popular)):
        ranked, truth = (frame.withColumnRenamed("user_id", "query_id") for frame in (model_lists, discovered))
        scores = confidence_scores(ranked.select("query_id", "rank", "track_id"), truth, track_genres, k)
        for row in scores.collect():
            score = {"users": row["queries"], "confidence": round(row["confidence"], 9)}
            rows.append({"model": model, "genre": row["genre"], **score})
    return rows


def build_user_metrics(lists: DataFrame, truth: DataFrame, length: int, config: QualityConfig) -> DataFrame:
    """Return `model`, `user_id`, `list_length` and a column per metric, for every model and user of `truth`.

    `lists`: `model`, `user_id`, `rank`, `track_id`; ranks up to `length` count.
    """
    query = F.concat_ws("|", "model", "user_id").alias("query_id")
    no_score = F.lit(None).cast("double").alias("score")
    queries = truth.select("user_id", "track_id", _explode_models(LIVE, *CHARTS)).select(query, "user_id", "track_id")
    hits = metrics.hit_ranks(lists.select(query, "rank", "track_id", no_score), queries, queries, length)
    model = F.substring_index("query_id", "|", 1).alias("model")
    with_metrics = metrics.add_metrics(hits, config.cutoffs)
    return with_metrics.select(model, "user_id", "list_length", *[f"`{name}`" for name in _metric_names(config)])


def _explode_models(*models: str) -> Column:
    return F.explode(F.array(*[F.lit(model) for model in models])).alias("model")


def _metric_names(config: QualityConfig) -> list[str]:
    """Return the metrics without AP, which has no cutoff: of 20 ranks it would equal MAP@20."""
    return [name for name in metrics.metric_names(config.cutoffs) if name != "AP"]


def build_quality(user_metrics: pa.Table, names: list[str], lists_date: dt.date) -> list[Row]:
    """Return rows of table `quality`. `user_metrics`: rows of `build_user_metrics`, of every model for the same users."""
    by_user = user_metrics.sort_by([("user_id", "ascending")])  # the bootstrap depends on the order
    model, listed = by_user["model"].to_numpy(), by_user["list_length"].to_numpy()
    matrix = np.stack([by_user[name].to_numpy() for name in names], axis=1)
    live = matrix[model == LIVE]
    rows: list[Row] = []
    for name in (LIVE, *(chart for chart in CHARTS if listed[model == chart].any())):
        values = matrix[model == name]
        deltas = [None] * len(names) if name == LIVE else intervals(live - values)
        for metric, mean, delta in zip(names, intervals(values), deltas, strict=True):
            head = {"model": name, "metric": metric, "lists_date": lists_date.isoformat(), "users": len(values)}
            figures = _rounded(("mean", "low", "high"), mean) | _rounded(
                ("delta", "delta_ci_low", "delta_ci_high"), delta
            )
            rows.append(head | figures)
    return rows


def _rounded(columns: tuple[str, str, str], interval: Interval | None) -> Row:
    """Round to 9 decimals: the last bits of a sum depend on the number of cores, and equal inputs must give equal digests."""
    figures = (interval.mean, interval.low, interval.high) if interval else (None, None, None)
    return {name: None if figure is None else round(figure, 9) for name, figure in zip(columns, figures, strict=True)}


def run(ctx: JobContext) -> None:
    """Read `history`, `ranked` and `track_genres`; write `quality` and `genre_confidence`."""
    date = ctx.date.isoformat()
    rows = _build_rows(ctx)
    for name in ("quality", "genre_confidence"):
        ctx.write_local(name, {date: rows.get(name, [])}, {date: dict(ctx.inputs)})


def _build_rows(ctx: JobContext) -> dict[str, list[Row]]:
    config: QualityConfig = ctx.config  # type: ignore[assignment]
    night, lists_date, lengths = ctx.date, ctx.date - dt.timedelta(days=1), ctx.config_of("rank")
    today, previous = ctx.read_required("history"), ctx.read("history", Partitions.PREVIOUS)
    ranked, genres = ctx.read("ranked", Partitions.PREVIOUS), ctx.read("track_genres", Partitions.PREVIOUS)
    # the night before may have had longer lists
    ranked = ranked.where(F.col("rank") <= list_limit(lengths.overall, lengths.per_genre))
    lists, deletions = ranked.where(F.col("list") == OVERALL), ctx.read("deletions", Partitions.ALL)
    if not all(ctx.night.lake.select(name, Partitions.PREVIOUS, night.isoformat()) for name in ("history", "ranked")):
        LOG.info("no lists of the previous night to evaluate", date=str(night), missing=str(lists_date))
        return {}
    listed = build_truth(today, previous, night, config.min_rating).join(lists, "user_id", "left_semi")
    truth, charts = run_parallel(
        ctx.spark,
        lambda: without_erased(listed, deletions).localCheckpoint(),
        lambda: build_charts(previous, night, config).localCheckpoint(),
    )
    if truth.isEmpty():
        LOG.info("no user with a list discovered a track on the day", date=str(night), lists_date=str(lists_date))
        return {}
    users = truth.select("user_id").distinct()
    excluded = excluded_pairs(previous, erased_pairs(users, deletions))
    baselines = build_chart_lists(
        users.select("user_id", _explode_models(*CHARTS)), excluded, charts, lengths.overall
    )
    live = lists.join(users, "user_id", "left_semi").select("user_id", F.lit(LIVE).alias("model"), "rank", "track_id")
    # without the checkpoint, planned together with the metrics, the lists take twice as long
    all_lists = live.unionByName(baselines).localCheckpoint()
    user_metrics = build_user_metrics(all_lists, truth, lengths.overall, config).localCheckpoint()
    table = collect_arrow(user_metrics, 60 + 8 * len(_metric_names(config)), "the metrics per user")
    rated, chart = truth.join(today.select(*PAIR, "rating"), PAIR), charts.where(F.col("model") == POPULARITY)
    genre_lists = ranked.where(F.col("list") != OVERALL)
    # a night of full scale may have no lists per genre
    has_genre_lists = not genre_lists.isEmpty()
    confidence = (
        build_genre_confidence(genre_lists, rated, excluded, chart, genres, lengths.per_genre) if has_genre_lists else []
    )
    return {
        "quality": build_quality(table, _metric_names(config), lists_date),
        "genre_confidence": [{**row, "lists_date": lists_date.isoformat()} for row in confidence],
    }
