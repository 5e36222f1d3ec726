"""Sessions of events: by the source's ids, or by pauses."""

import datetime as dt

from pyspark.sql import SparkSession

from jobs.recommenders.session_plays import collect_sessions, order_session_plays

SCHEMA = "user_id string, track_id string, event string, played_at timestamp, session_id string, ms_played long"
START = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
Event = tuple[str, str, str, dt.datetime, str | None, int | None]


def at(minutes: float) -> dt.datetime:
    return START + dt.timedelta(minutes=minutes)


def play(user: str, track: str, minutes: float, session: str | None = None, ms: int | None = None) -> Event:
    return user, track, "play", at(minutes), session, ms


def ordered(spark: SparkSession, events: list[Event]) -> dict[str, list[str]]:
    plays = order_session_plays(spark.createDataFrame(events, SCHEMA), 30_000)
    by_session: dict[str, list[str]] = {}
    for row in plays.orderBy("session", "position").collect():
        by_session.setdefault(row["session"], []).append(row["track_id"])
    return by_session


def test_a_pause_of_more_than_thirty_minutes_ends_a_session(spark: SparkSession) -> None:
    events = [play("u", "a", 0), play("u", "b", 30), play("u", "c", 60.5), play("v", "d", 1)]
    by_session = ordered(spark, events)
    start = int(START.timestamp())
    assert by_session == {f"u|@{start}": ["a", "b"], f"u|@{start + 3630}": ["c"], f"v|@{start + 60}": ["d"]}


def test_sessions_of_the_source_are_kept_across_pauses_and_users(spark: SparkSession) -> None:
    events = [play("u", "a", 0, "1"), play("u", "b", 500, "1"), play("v", "a", 0, "1"), play("u", "x", 3)]
    by_session = ordered(spark, events)
    assert by_session["u|1"] == ["a", "b"]
    assert by_session["v|1"] == ["a"]
    assert len(by_session) == 3


def test_short_plays_and_other_events_are_no_plays(spark: SparkSession) -> None:
    events = [play("u", "a", 0, ms=29_999), play("u", "b", 1, ms=30_000), ("u", "c", "like", at(2), None, None)]
    assert list(ordered(spark, events).values()) == [["b"]]


def test_equal_times_are_ordered_by_track_in_spark_and_in_arrays(spark: SparkSession) -> None:
    events = [play("u", "b", 0, "1"), play("u", "a", 0, "1"), play("u", "c", -5, "1"), play("v", "b", 90, "1")]
    assert ordered(spark, events)["u|1"] == ["c", "a", "b"]
    data = collect_sessions(order_session_plays(spark.createDataFrame(events, SCHEMA), 30_000))
    assert [data.tracks[item] for item in data.sessions.items] == ["c", "a", "b", "b"]
    assert [data.users[user] for user in data.sessions.users] == ["u", "v"]
    assert data.sessions.times[-1] == at(90).timestamp()
