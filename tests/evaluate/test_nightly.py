"""The nightly evaluation on days with few plays; expected figures are computed by hand."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.context import JobContext, Night
from jobs.evaluate import metrics, nightly
from jobs.evaluate.config import QualityConfig
from jobs.lake.deletion_requests import sha256
from jobs.lake.schemas import table
from jobs.registry import jobs_named
from jobs.runner import reusable
from jobs.settings import Settings
from jobs.sources.config import load_sources

NIGHT = dt.date(2026, 11, 14)
EVE = NIGHT - dt.timedelta(days=1)
SHAPE = "user_id string, track_id string, rating double, plays long, liked boolean, last_event_at timestamp"
Interaction = tuple[str, str, float, int | None]


def history(spark: SparkSession, *interactions: Interaction) -> DataFrame:
    """Rows (user, track, rating, days before the night; None: no time is known)."""
    noon = dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC)
    times = [None if ago is None else noon - dt.timedelta(days=ago) for *_, ago in interactions]
    rows = [(user, track, stars, 1, False, at) for (user, track, stars, _), at in zip(interactions, times, strict=True)]
    return spark.createDataFrame(rows, SHAPE)


def ranked(spark: SparkSession, lists: dict[str, list[str]], name: str = "overall") -> DataFrame:
    rows = [
        (user, name, rank, track, 0.5, "pmrs_cf", "personal", "because")
        for user, tracks in lists.items()
        for rank, track in enumerate(tracks, 1)
    ]
    return spark.createDataFrame(rows, table("ranked").schema)


PAST: list[Interaction] = [
    # listeners: a 3, b 2, c 1; d was only skipped
    ("u", "a", 1.0, 3), ("v", "a", 1.0, 3), ("w", "a", 1.0, 40), ("v", "b", 2.0, 40), ("w", "b", 1.0, 40),
    ("w", "c", 1.0, 2), ("w", "d", 0.0, 2),
]  # fmt: skip


def test_truth_has_tracks_first_played_on_the_day(spark: SparkSession) -> None:
    today = history(
        spark,
        ("u", "again", 2.0, 0), ("u", "new", 1.0, 0), ("u", "skipped", 0.0, 0), ("u", "late", 1.0, 1), ("u", "untimed", 3.0, None),
        ("v", "again", 1.0, 0),
    )  # fmt: skip
    previous = history(spark, ("u", "again", 1.0, 1))
    truth = nightly.build_truth(today, previous, NIGHT, 1.0).collect()
    assert {tuple(row) for row in truth} == {("u", "new"), ("v", "again")}


def test_charts_count_users_overall_and_in_the_window(spark: SparkSession) -> None:
    more = [("x", "b", 1.0, 28), ("y", "c", 1.0, 29), ("z", "b", 1.0, None)]
    rows = nightly.build_charts(history(spark, *PAST, *more), NIGHT, QualityConfig()).collect()
    charts: dict[str, dict[int, str]] = {name: {} for name in nightly.CHARTS}
    for row in rows:
        charts[row["model"]][row["position"]] = row["track_id"]
    assert charts["popularity"] == {1: "b", 2: "a", 3: "c"}, "b has four listeners, a three, c two; d none"
    assert charts["popularity_window"] == {1: "a", 2: "b", 3: "c"}, "a two; b, c one each: by id"


def chart_lists(spark: SparkSession, excluded: dict[str, list[int]], length: int, k: int) -> dict[str, list[str]]:
    """Return what each user is offered of the chart t01, t02, ... of `length` tracks without the excluded numbers."""
    rows = [("popularity", f"t{n:02d}", n) for n in range(1, length + 1)]
    charts = spark.createDataFrame(rows, "model string, track_id string, position int")
    pairs = spark.createDataFrame(
        [(u, f"t{n:02d}") for u, ns in excluded.items() for n in ns], "user_id string, track_id string"
    )
    users = spark.createDataFrame([(user, "popularity") for user in excluded], "user_id string, model string")
    ranked_rows = nightly.build_chart_lists(users, pairs, charts, k).orderBy("user_id", "rank").collect()
    lists: dict[str, list[str]] = {}
    for row in ranked_rows:
        lists.setdefault(row["user_id"], []).append(row["track_id"])
        assert row["rank"] == len(lists[row["user_id"]])
    return lists


def test_chart_lists_skip_excluded_tracks_and_fill_up(spark: SparkSession) -> None:
    excluded = {"none": [], "first": [1, 2, 3], "mixed": [2, 4, 5, 9], "deep": [*range(1, 11), 12], "strange": [99]}
    lists = chart_lists(spark, excluded, length=14, k=3)
    assert lists == {
        "none": ["t01", "t02", "t03"],
        "first": ["t04", "t05", "t06"],
        "mixed": ["t01", "t03", "t06"],
        "deep": ["t11", "t13", "t14"],
        "strange": ["t01", "t02", "t03"],
    }
    assert chart_lists(spark, {"most": [1, 3]}, length=4, k=3) == {"most": ["t02", "t04"]}


@pytest.fixture
def ctx(spark: SparkSession, settings: Settings, tmp_path: Path) -> JobContext:
    """Return a context of a lake without any night."""
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    return JobContext(Night(NIGHT, "r", load_sources(file), settings, spark), "quality", QualityConfig())


def after(ctx: JobContext, past: DataFrame | None, lists: DataFrame | None, today: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of `quality` of the night, with these tables of the eve and this history of the night."""
    for name, frame, date in (("history", past, EVE), ("ranked", lists, EVE), ("history", today, NIGHT)):
        if frame is not None:
            ctx.write(name, frame, on=date)
    ctx.commit()
    ctx.pending.clear()
    nightly.run(ctx)
    ctx.commit()
    return [row.asDict() for row in ctx.read("quality").collect()]


def of(rows: list[dict[str, Any]], metric: str) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in rows if row["metric"] == metric}


def a_day(spark: SparkSession) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Of the eve history and lists, of the night history: u meets c and z, v meets c; w meets nothing, x has no list.

    Live: u has c at 2 of 3, v has c at 1. The chart a, b, c without what they have heard: u b, c; v c. In the window
    a 2 listeners, c 1: u c; v c.
    """
    lists = ranked(spark, {"u": ["b", "c", "d"], "v": ["c", "d"], "w": ["d"]})
    of_genre = ranked(spark, {"u": ["z"]}, "Rock")
    met: list[Interaction] = [
        ("u", "c", 1.0, 0),
        ("u", "z", 1.0, 0),
        ("v", "c", 1.0, 0),
        ("w", "a", 2.0, 0),
        ("x", "a", 1.0, 0),
    ]
    return history(spark, *PAST), lists.unionByName(of_genre), history(spark, *PAST[:2], *PAST[3:], *met)


def test_quality_equals_hand_computed_figures(spark: SparkSession, ctx: JobContext) -> None:
    rows = after(ctx, *a_day(spark))
    assert {(row["lists_date"], row["users"]) for row in rows} == {("2026-11-13", 2)}
    mrr = of(rows, "MRR@20")
    assert {name: row["mean"] for name, row in mrr.items()} == {
        "live": (1 / 2 + 1) / 2, "popularity": (1 / 2 + 1) / 2, "popularity_window": 1.0,
    }  # fmt: skip
    assert (mrr["live"]["delta"], mrr["popularity"]["delta"], mrr["popularity_window"]["delta"]) == (None, 0.0, -0.25)
    assert (mrr["popularity"]["delta_ci_low"], mrr["popularity"]["delta_ci_high"]) == (0.0, 0.0), "they agree on every user"
    assert mrr["live"]["low"] < mrr["live"]["mean"] < mrr["live"]["high"], "though the users differ"
    assert of(rows, "R_liang@20")["live"]["mean"] == (1 / 2 + 1) / 2
    assert of(rows, "P@10")["live"]["mean"] == pytest.approx(0.1)
    dcg = 0.6309297535714575  # a hit at place 2: 1 / log2 3
    assert of(rows, "NDCG@20")["live"]["mean"] == pytest.approx((dcg / (1 + dcg) + 1) / 2, abs=1e-8)
    assert {row["metric"] for row in rows} == {f"{m}@{n}" for n in (10, 20) for m in metrics.CUTOFF_METRICS}


def test_deletion_requests_remove_users_and_tracks(spark: SparkSession, ctx: JobContext) -> None:
    frame = spark.createDataFrame([(sha256("v"), None), (sha256("u"), "b")], table("deletions").schema)
    ctx.write("deletions/app", frame, on=NIGHT, inputs={})
    mrr = of(after(ctx, *a_day(spark)), "MRR@20")
    assert mrr["live"]["users"] == 1
    assert mrr["live"]["mean"] == 0.5
    assert mrr["popularity"]["mean"] == 1.0, "c is the first of u's chart: b is wished away"


def test_quality_is_empty_without_a_previous_night(spark: SparkSession, ctx: JobContext) -> None:
    past, lists, today = a_day(spark)
    assert after(ctx, None, None, today) == []
    manifest = ctx.night.lake.manifest("quality", NIGHT.isoformat())
    assert manifest is not None
    assert (manifest.rows, manifest.inputs["date"]) == (0, "2026-11-14")
    assert {"ranked|previous", "history|previous", "history|date", "deletions|all"} <= set(manifest.inputs)
    (job,) = [job for job in jobs_named("quality") if job.name == "quality"]
    assert reusable(ctx.night, ctx, job), "equal inputs"
    ctx.write("ranked", lists, on=EVE - dt.timedelta(days=1))
    ctx.write("history", past, on=EVE - dt.timedelta(days=1))
    assert after(ctx, None, None, today) == [], "the lists of an older night are not last night's"
    assert reusable(ctx.night, ctx, job)
    assert after(ctx, past, lists, today)
    ctx.write("ranked", lists.where("user_id = 'u'"), on=EVE)
    ctx.commit()
    assert not reusable(ctx.night, ctx, job), "the night before has other lists now"


def test_quality_is_empty_without_discoveries(spark: SparkSession, ctx: JobContext) -> None:
    past, lists, _ = a_day(spark)
    assert after(ctx, past, lists, past) == []


def test_empty_chart_is_left_out(spark: SparkSession, ctx: JobContext) -> None:
    old = history(spark, ("u", "a", 1.0, 40), ("v", "b", 1.0, 40))
    rows = after(ctx, old, ranked(spark, {"u": ["c"]}), history(spark, ("u", "a", 1.0, 40), ("u", "c", 1.0, 0)))
    assert set(of(rows, "NDCG@20")) == {"live", "popularity"}


def test_genre_confidence_is_the_share_of_best_rated_tracks_in_the_list(spark: SparkSession) -> None:
    # Rock: a, b, c, d by popularity; u knew a, met b (5 stars), c and d; v met d. Trance: only u met t. x has no genre.
    named = [*((track, "Rock") for track in "abcd"), ("t", "Trance"), ("x", None)]
    genres = spark.createDataFrame(named, "track_id string, genre string")
    met = [("u", "b", 5.0), ("u", "c", 2.0), ("u", "d", 1.0), ("u", "t", 1.0), ("u", "x", 1.0), ("v", "d", 1.0)]
    rated = spark.createDataFrame(met, "user_id string, track_id string, rating double")
    lists = spark.createDataFrame(
        [("u", 1, "d"), ("u", 2, "c"), ("u", 3, "b"), ("u", 1, "t"), ("v", 1, "d")],
        "user_id string, rank int, track_id string",
    )
    excluded = spark.createDataFrame([("u", "a")], "user_id string, track_id string")
    chart = spark.createDataFrame(
        [(track, position) for position, track in enumerate(["x", "a", "t", "b", "c", "d"], 1)],
        "track_id string, position int",
    )
    rows = nightly.build_genre_confidence(lists, rated, excluded, chart, genres, k=2)
    by_genre = {(row["model"], row["genre"]): (row["users"], row["confidence"]) for row in rows}
    assert by_genre == {
        ("live", "Rock"): (2, (0.5 + 1) / 2),  # of b and c the list's first two, d and c, have c; of v's d all
        ("live", "Trance"): (1, 1.0),
        ("popularity", "Rock"): (2, (1.0 + 0) / 2),  # u: b, c; v: a, b
        ("popularity", "Trance"): (1, 1.0),
    }


def test_genre_confidence_is_written_with_the_nights_figures(spark: SparkSession, ctx: JobContext) -> None:
    past, lists, today = a_day(spark)
    known = [(track, "Rock", 1.0, [1.0], "label", None) for track in ("a", "b", "c", "z")]
    ctx.write("track_genres", spark.createDataFrame(known, table("track_genres").schema), on=EVE)
    assert after(ctx, past, lists, today)
    rows = {row["model"]: row for row in ctx.read("genre_confidence").collect()}
    assert (rows["live"]["users"], rows["live"]["confidence"], rows["live"]["lists_date"]) == (2, 0.25, "2026-11-13")
    assert rows["popularity"]["confidence"] == 0.75, "u: c of c and z, which nobody had played; v: c"


def test_lists_count_up_to_the_lengths_of_the_job_rank(spark: SparkSession, ctx: JobContext) -> None:
    ctx.night.sources = replace(ctx.night.sources, jobs={"rank": {"overall": 1, "per_genre": 0}})
    past, lists, today = a_day(spark)
    genres = [(track, "Rock", 1.0, [1.0], "label", None) for track in ("a", "b", "c", "z")]
    ctx.write("track_genres", spark.createDataFrame(genres, table("track_genres").schema), on=EVE)
    rows = after(ctx, past, lists, today)
    assert of(rows, "MRR@20")["live"]["mean"] == (0 + 1) / 2, "u has c at 2 of 3, v has c at 1"
    assert ctx.read("genre_confidence").count() == 0
    manifest = ctx.night.lake.manifest("quality", NIGHT.isoformat())
    assert manifest is not None
    assert manifest.inputs["config|rank"] == '{"overall": 1, "per_genre": 0}'
