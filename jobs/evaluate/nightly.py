"""Last night's lists held against what their users first played on the day: `pmrs run quality --date D`.

Night D looks back at night D-1 (exactly; where there is none, `quality` is empty, and the log says so):

* Lists are the overall ones of `ranked` of D-1, as they lie in the lake.
* Relevant are tracks of `history` of D with a rating of at least 1 that `history` of D-1 does not know of the user, and whose
  latest event is of D. So a late event, received on D of an earlier play, asks for nothing (no list of D-1 could have met it), nor
  does what has no time (play counts). A late first play with one on D behind it cannot be told from a discovery, and counts as one.
* Users asked are those who had a list and discovered something. A track that only D's catalogue knows counts as missed.
* Beside them stand two charts as of D-1, of everybody's ratings of at least 1 by number of listeners (ties by track id), without
  what the user has heard or wishes forgotten: `popularity`, and `popularity_window` of those last heard in the 28 days up to D-1.
  Tracks that nobody has rated are in no chart; live lists may have them. A chart without any track is left out.

PMRS's confidence score (jobs/evaluate/confidence.py) is told per genre, into `genre_confidence`: the genre's own lists of D-1, and
the chart's first tracks of the genre, against those that the user met on the day. Genres are D-1's, by which the lists were made.

Ranks stand: `ranked.score` compares within one tier only and is rounded, so that scores are not given to the metrics, and neither
are those of the charts; the rule that ties count against a model does not hold here.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.evaluate import metrics
from jobs.evaluate.confidence import confidence_scores
from jobs.evaluate.intervals import Interval, intervals
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import forgotten_pairs, without_forgotten
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.recommenders.list_rules import OVERALL, never_offered
from jobs.recommenders.methods import POPULARITY, POPULARITY_WINDOW
from jobs.spark import run_parallel

LOG = logger(__name__)
LIVE = "live"
CHARTS = (POPULARITY, POPULARITY_WINDOW)
PAIR = ["user_id", "track_id"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """What is asked for, and of what the charts are made."""

    places: int = 20
    """Places of a list that count: N of the overall list (jobs/ranking/rank.py)."""
    cutoffs: tuple[int, ...] = (10, 20)
    """N of the metrics."""
    min_rating: float = 1.0
    """T_R, as in `pmrs evaluate`: what is played, liked or starred; not what is only skipped."""
    per_genre: int = 10
    """Places of a genre's list, and best rated tracks of it, that PMRS's confidence score compares: as in `pmrs evaluate`."""
    window_days: int = 28
    """Length of the window of windowed popularity, in days: as in `pmrs evaluate`."""


def build_truth(today: DataFrame, before: DataFrame, night: dt.date, min_rating: float) -> DataFrame:
    """`user_id`, `track_id`: what users met on the night's day. `today`, `before`: `history` of the night and of the one before."""
    on_the_day = (F.to_date("last_event_at") == F.lit(night)) & (F.col("rating") >= min_rating)
    return today.where(on_the_day).select(*PAIR).join(before.select(*PAIR), PAIR, "left_anti")


def build_charts(before: DataFrame, night: dt.date, config: Config) -> DataFrame:
    """`model`, `track_id`, `position` (1-based): rated tracks by number of listeners, then by id."""
    rated = F.col("rating") >= config.min_rating
    in_window = F.to_date("last_event_at") >= F.lit(night - dt.timedelta(days=config.window_days))
    counted = before.groupBy("track_id").agg(
        F.count_if(rated).alias(POPULARITY), F.count_if(rated & in_window).alias(POPULARITY_WINDOW)
    )
    each = counted.unpivot("track_id", list(CHARTS), "model", "listeners").where("listeners > 0")
    order = Window.partitionBy("model").orderBy(F.desc("listeners"), "track_id")
    return each.select("model", "track_id", F.row_number().over(order).alias("position"))


def build_chart_lists(
    asked: DataFrame, never: DataFrame, charts: DataFrame, places: int, by: tuple[str, ...] = ("model",)
) -> DataFrame:
    """`user_id`, `by`, `rank`, `track_id`: the first `places` of each chart without what the user is never to be offered.

    `asked`: `user_id` and `by`, the columns that tell charts apart, each once; `never`: `user_id`, `track_id`, each once. Exact,
    and linear in what users have heard: a skip matters only while fewer than `places` others stand above it, and the list ends as
    many positions lower as there are such skips.
    """
    in_order = Window.partitionBy("user_id", *by).orderBy("position")
    skips = never.join(asked.select("user_id").distinct(), "user_id", "left_semi").join(charts, "track_id")
    above = F.col("position") - F.row_number().over(in_order)
    early = skips.withColumn("above", above).where(F.col("above") < places)
    skipped = early.groupBy("user_id", *by).agg(F.collect_list("position").alias("skipped"))
    every = asked.select("user_id", *by).join(skipped, ["user_id", *by], "left")
    none = F.coalesce("skipped", F.array().cast("array<int>"))
    kept = F.array_except(F.sequence(F.lit(1), F.size(none) + places), none)
    placed = every.select("user_id", *by, F.posexplode(kept).alias("place", "position"))
    rank = (F.col("place") + 1).alias("rank")
    return placed.join(charts, [*by, "position"]).select("user_id", *by, rank, "track_id")


def build_genre_confidence(
    lists: DataFrame, met: DataFrame, never: DataFrame, chart: DataFrame, genres: DataFrame, most: int
) -> list[Row]:
    """`model` (live, popularity), `genre`, `users`, `confidence`: PMRS's score of lists per genre.

    `lists`: `user_id`, `rank` in the genre's list, `track_id`; `met`: `user_id`, `track_id`, `rating`; `never`: `user_id`,
    `track_id`; `chart`: `track_id`, `position`; `genres`: `track_id`, `genre`.
    """
    known = genres.where("genre IS NOT NULL").select("track_id", "genre")
    in_genre = Window.partitionBy("genre").orderBy("position")
    charts = chart.join(known, "track_id").withColumn("position", F.row_number().over(in_genre))
    asked = met.join(known, "track_id").select("user_id", "genre").distinct()
    popular = build_chart_lists(asked, never, charts, most, ("genre",))
    rows: list[Row] = []
    for name, offered in ((LIVE, lists), (POPULARITY, popular)):
        places, truth = (frame.withColumnRenamed("user_id", "query_id") for frame in (offered, met))
        for row in confidence_scores(places.select("query_id", "rank", "track_id"), truth, known, most).collect():
            told = {"users": row["queries"], "confidence": round(row["confidence"], 9)}
            rows.append({"model": name, "genre": row["genre"], **told})
    return rows


def build_values(lists: DataFrame, truth: DataFrame, config: Config) -> DataFrame:
    """`model`, `user_id`, `listed` (places of the list) and a column per metric, for every model and user of `truth`.

    `lists`: `model`, `user_id`, `rank`, `track_id`.
    """
    query = F.concat_ws("|", "model", "user_id").alias("query_id")
    unscored = F.lit(None).cast("double").alias("score")
    every = truth.select("user_id", "track_id", _each(LIVE, *CHARTS)).select(query, "user_id", "track_id")
    placed = metrics.places(lists.select(query, "rank", "track_id", unscored), every, every, config.places)
    model = F.substring_index("query_id", "|", 1).alias("model")
    valued = metrics.values(placed, config.cutoffs)
    return valued.select(model, "user_id", "listed", *[f"`{name}`" for name in _metrics(config)])


def _each(*models: str) -> Column:
    return F.explode(F.array(*[F.lit(model) for model in models])).alias("model")


def _metrics(config: Config) -> list[str]:
    """Without AP, which is not cut: of 20 places it would be MAP@20 by another name."""
    return [name for name in metrics.names(config.cutoffs) if name != "AP"]


def build_quality(values: pa.Table, wanted: list[str], lists_date: dt.date) -> list[Row]:
    """Rows of table `quality`. `values`: rows of `build_values`, of every model for the same users."""
    in_order = values.sort_by([("user_id", "ascending")])  # who is drawn for an interval depends on the order
    model, listed = in_order["model"].to_numpy(), in_order["listed"].to_numpy()
    matrix = np.stack([in_order[name].to_numpy() for name in wanted], axis=1)
    live = matrix[model == LIVE]
    rows: list[Row] = []
    for name in (LIVE, *(chart for chart in CHARTS if listed[model == chart].any())):
        own = matrix[model == name]
        gaps = [None] * len(wanted) if name == LIVE else intervals(live - own)
        for metric, mean, gap in zip(wanted, intervals(own), gaps, strict=True):
            head = {"model": name, "metric": metric, "lists_date": lists_date.isoformat(), "users": len(own)}
            rows.append(head | _told(("mean", "low", "high"), mean) | _told(("delta", "delta_ci_low", "delta_ci_high"), gap))
    return rows


def _told(names: tuple[str, str, str], found: Interval | None) -> Row:
    """To 9 decimals: the last bits of a sum depend on the number of cores, and equal inputs are to give equal digests."""
    figures = (found.mean, found.low, found.high) if found else (None, None, None)
    return {name: None if figure is None else round(figure, 9) for name, figure in zip(names, figures, strict=True)}


def run(ctx: JobContext) -> None:
    """Reads `history` of the night, `ranked`, `history` and `track_genres` of the one before, and wishes; writes `quality` and
    `genre_confidence`.
    """
    date = ctx.date.isoformat()
    found = _rows(ctx)
    for name in ("quality", "genre_confidence"):
        ctx.write_local(name, {date: found.get(name, [])}, {date: dict(ctx.inputs)})


def _rows(ctx: JobContext) -> dict[str, list[Row]]:
    config: Config = ctx.config  # type: ignore[assignment]
    night, eve = ctx.date, ctx.date - dt.timedelta(days=1)
    today, before = ctx.read_required("history"), ctx.read("history", Partitions.PREVIOUS)
    ranked, genres = ctx.read("ranked", Partitions.PREVIOUS), ctx.read("track_genres", Partitions.PREVIOUS)
    lists, deletions = ranked.where(F.col("list") == OVERALL), ctx.read("deletions", Partitions.ALL)
    if not all(ctx.night.lake.select(name, Partitions.PREVIOUS, night.isoformat()) for name in ("history", "ranked")):
        LOG.info("no lists of the night before: nothing to hold against the day", date=str(night), wanted=str(eve))
        return {}
    met = build_truth(today, before, night, config.min_rating).join(lists, "user_id", "left_semi")
    truth, charts = run_parallel(
        ctx.spark,
        lambda: without_forgotten(met, deletions).localCheckpoint(),
        lambda: build_charts(before, night, config).localCheckpoint(),
    )
    if truth.isEmpty():
        LOG.info("nobody with a list played anything new on the day", date=str(night), lists_date=str(eve))
        return {}
    asked = truth.select("user_id").distinct()
    never = never_offered(before, forgotten_pairs(asked, deletions))
    baselines = build_chart_lists(asked.select("user_id", _each(*CHARTS)), never, charts, config.places)
    live = lists.join(asked, "user_id", "left_semi").select("user_id", F.lit(LIVE).alias("model"), "rank", "track_id")
    # planned with the metrics in one, the lists take twice as long
    whole = live.unionByName(baselines).localCheckpoint()
    valued = build_values(whole, truth, config).localCheckpoint()
    table = collect_arrow(valued, 60 + 8 * len(_metrics(config)), "the users' metrics")
    rated, chart = truth.join(today.select(*PAIR, "rating"), PAIR), charts.where(F.col("model") == POPULARITY)
    # at full scale nights may have no lists of genres
    of_genres = ranked.where(F.col("list") != OVERALL)
    found = [] if of_genres.isEmpty() else build_genre_confidence(of_genres, rated, never, chart, genres, config.per_genre)
    by_genre = [{**row, "lists_date": eve.isoformat()} for row in found]
    return {"quality": build_quality(table, _metrics(config), eve), "genre_confidence": by_genre}
