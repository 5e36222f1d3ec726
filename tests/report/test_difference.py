"""Comparison of lists with the previous night; expected counts are computed by hand."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.context import JobContext, Night
from jobs.lake.schemas import table
from jobs.ranking.config import RankConfig
from jobs.report.difference import compare, user_lists
from jobs.report.gather import list_length, previous_ranked
from jobs.settings import Settings
from jobs.sources.config import load_sources

RANKED = table("ranked").schema
TRACKS = [f"t{n}" for n in range(1, 13)]


def ranked(spark: SparkSession, lists: dict[str, list[str]], tiers: dict[str, list[str]] | None = None) -> DataFrame:
    """Return overall lists by user, and an entry of a genre's list, which has no effect."""
    rows: list[tuple[Any, ...]] = []
    for user, tracks in lists.items():
        user_tiers = (tiers or {}).get(user, ["personal"] * len(tracks))
        entries = enumerate(zip(tracks, user_tiers, strict=True), 1)
        rows += [(user, "overall", n, track, 0.5, "pmrs_cf", tier, "why") for n, (track, tier) in entries]
        rows.append((user, "Rock", 1, "t12", 0.5, "pmrs_cf", "personal", "why"))
    return spark.createDataFrame(rows[::-1], RANKED).repartition(2)


@pytest.fixture(scope="module")
def users(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    eligible = [("moved", 9), ("same", 4), ("newcomer", 0), ("listless", 3), ("turned", 2), ("long", 30)]
    profiles = [("moved",), ("newcomer",), ("listless",), ("stranger",)]
    return spark.createDataFrame(eligible, "user_id string, n_seen long"), spark.createDataFrame(
        profiles, "user_id string"
    )


CURRENT = {"moved": ["t1", "t2", "t3", "t4"], "same": ["t1", "t2", "t3", "t4"], "newcomer": ["t1", "t2"], "turned": ["t2", "t1"],
       "long": TRACKS}  # fmt: skip
PREVIOUS = {"moved": ["t2", "t1", "t3", "t5"], "same": ["t1", "t2", "t3", "t4"], "gone": ["t1"], "turned": ["t1", "t2"],
        "long": [*TRACKS[:9], "t12", "t10", "t11"]}  # fmt: skip
TIERS = {"newcomer": ["popular", "fallback_unplayed"], "turned": ["personal", "popular"]}


def test_compare_equals_hand_computed_counts(spark: SparkSession, users: tuple[DataFrame, DataFrame]) -> None:
    figures = compare(user_lists(*users, ranked(spark, CURRENT, TIERS), ranked(spark, PREVIOUS)), 4, False)
    assert figures == {
        "first": False, "length": 4, "users": 5, "eligible": 6, "with_history": 5, "with_profile": 2,
        "full": 3, "short": 2, "listless": 1,
        "personal": 3, "partly": 1, "popular": 1, "both": 4, "new": 1, "gone": 1, "unchanged": 1,
        # 3 of moved's, 4 of same's, 2 of turned's, 12 of long's; they moved by 1+1+0, 0, 1+1 and 1+1+2 ranks
        "stayed": 21, "shift": round(8 / 21, 6),
        # moved 3/4, same 1, turned 1; long: t10 is not among the first ten of the night before, but among the twelve
        "overlap_10": round((0.75 + 1 + 1 + 0.9) / 4, 6), "overlap_20": round((0.75 + 1 + 1 + 1) / 4, 6),
    }  # fmt: skip


def test_compare_without_previous_night(spark: SparkSession, users: tuple[DataFrame, DataFrame]) -> None:
    figures = compare(user_lists(*users, ranked(spark, CURRENT), None), 4, True)
    assert (figures["first"], figures["both"], figures["gone"], figures["stayed"], figures["shift"]) == (
        True,
        0,
        0,
        0,
        0,
    )
    assert figures["overlap_10"] is None
    assert figures["users"] == 5


def test_previous_ranked_is_exactly_the_day_before(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    day = dt.date(2026, 11, 14)
    night = Night(day, "r", load_sources(file), settings, spark)
    ctx = JobContext(night, "report", RankConfig(overall=7))
    for back, user in ((0, "today"), (2, "older")):
        ctx.write("ranked", ranked(spark, {user: ["t1"]}), on=day - dt.timedelta(days=back))
    ctx.commit()
    assert previous_ranked(ctx) is None
    previous = JobContext(night, "report", RankConfig(overall=7))
    previous.write("ranked", ranked(spark, {"yesterday": ["t1"]}), on=day - dt.timedelta(days=1))
    previous.commit()
    lists = previous_ranked(ctx)
    assert lists is not None
    assert {row["user_id"] for row in lists.collect()} == {"yesterday"}
    assert list_length(ctx) == 7
