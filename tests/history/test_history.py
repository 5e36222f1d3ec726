"""H_U from small literal histories: ratings, usable events and eligible users."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.history.history import aggregate_events, build_eligible_users, build_history, counts_by_track, usable_events
from jobs.lake.deletion_requests import user_hash, without_erased

NIGHT = date(2026, 11, 14)
NOON = datetime(2026, 11, 14, 12, tzinfo=UTC)
SHAPE = (
    "user_id string, track_id string, event string, rating double, ms_played long, played_at timestamp, "
    "session_id string, within_late_window boolean"
)


def events(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Return events of user u and track t from rows (event, rating, ms_played, minutes after noon)."""
    full = [("u", "t", kind, stars, ms, NOON + timedelta(minutes=at), None, True) for kind, stars, ms, at in rows]
    return spark.createDataFrame(full, SHAPE)


def no_counts(spark: SparkSession) -> DataFrame:
    return counts_by_track(spark.createDataFrame([], "user_id string, song_id string, plays long"), songs(spark))


def songs(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([("s", "t")], "song_id string, track_id string")


@pytest.mark.parametrize(
    ("rows", "rating"),
    [
        ([("play", None, 30_000, 0), ("play", None, None, 1)], 2.0),
        ([("play", None, 29_999, 0)], 0.0),
        ([("skip", None, None, 0)], 0.0),
        ([("block", None, None, 0)], 0.0),
        ([("like", None, None, 0)], 1.0),
        ([("like", None, None, 0), ("unlike", None, None, 1)], 0.0),
        ([("unlike", None, None, 0), ("like", None, None, 1), ("play", None, None, 2)], 2.0),
        ([("rate", 5.0, None, 0), ("rate", 2.0, None, 1), ("play", None, None, 2)], 2.0),
        ([("rate", 2.0, None, 0), ("like", None, None, 1)], 3.0),
        ([("play", None, None, 0), ("play", None, None, 0)], 1.0),
    ],
)
def test_rating_is_stars_or_plays_plus_like(spark: SparkSession, rows: list[tuple[Any, ...]], rating: float) -> None:
    history = build_history(aggregate_events(usable_events(events(spark, *rows), NIGHT), 30_000), no_counts(spark))
    assert [row["rating"] for row in history.collect()] == [rating]


def test_usable_events_exclude_later_and_too_late_ones(spark: SparkSession) -> None:
    frame = events(spark, ("play", None, None, 0), ("play", None, None, 12 * 60))
    assert usable_events(frame, NIGHT).count() == 1
    assert (
        usable_events(frame.selectExpr("* EXCEPT (within_late_window)", "false AS within_late_window"), NIGHT).count()
        == 0
    )


def test_counts_and_events_of_one_track_are_summed(spark: SparkSession) -> None:
    counts = spark.createDataFrame([("u", "s", 7), ("u", "lost", 3)], "user_id string, song_id string, plays long")
    timed = aggregate_events(usable_events(events(spark, ("play", None, None, 0)), NIGHT), 30_000)
    rows = build_history(timed, counts_by_track(counts, songs(spark))).collect()
    assert [(row["track_id"], row["plays"]) for row in rows] == [("t", 8)]


def test_deletion_requests_remove_only_their_users_and_pairs(spark: SparkSession) -> None:
    seen_pairs = spark.createDataFrame([("a", "1"), ("b", "1"), ("b", "2")], "user_id string, track_id string")
    named = spark.createDataFrame([("a", None), ("b", "2")], "user_id string, track_id string")
    requests = named.select(user_hash().alias("user_hash"), "track_id")
    assert without_erased(seen_pairs, requests).collect() == [("b", "1")]


def test_users_with_a_profile_or_a_history_are_eligible(spark: SparkSession) -> None:
    seen_pairs = spark.createDataFrame([("a", "1"), ("a", "2")], "user_id string, track_id string")
    users = spark.createDataFrame([("a",), ("new",)], "user_id string")
    assert dict(build_eligible_users(seen_pairs, users).collect()) == {"a": 2, "new": 0}
