import datetime as dt
import hashlib
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.errors import EvaluationError
from jobs.evaluate import command
from jobs.evaluate.listening import Listening
from jobs.evaluate.registering import window_of
from jobs.evaluate.splits import HeldOutUsers, LeaveLast, PerUserRandom, Split, require_untold
from jobs.evaluate.temporal import Temporal, require_before

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EVENTS = "user_id string, track_id string, event string, played_at timestamp, ms_played long, rating double, session_id string"
HISTORY = "user_id string, track_id string, rating double, plays long, liked boolean, last_event_at timestamp"


def played(user: str, track: str, day: float, session: str | None = None) -> tuple[object, ...]:
    return user, track, "play", START + dt.timedelta(days=day), None, None, session


def listening(spark: SparkSession, events: list[tuple[object, ...]]) -> Listening:
    frame = spark.createDataFrame(events, EVENTS)
    return Listening(frame, Listening(frame, frame).of_events(frame))


def pairs(frame: DataFrame, key: str = "query_id") -> set[tuple[str, str]]:
    return {(row[key], row["track_id"]) for row in frame.collect()}


def tracks_of(spark: SparkSession, users: dict[str, int]) -> Listening:
    rows = [(u, f"t{n}", 1.0, 1, False, START + dt.timedelta(days=n)) for u, many in users.items() for n in range(many)]
    history = spark.createDataFrame(rows, HISTORY)
    return Listening(history.limit(0), history)


@pytest.fixture(scope="module")
def temporal(spark: SparkSession) -> Split:
    events = [
        played("anna", "a", 1), played("anna", "b", 2), played("anna", "a", 10, "s"), played("anna", "c", 10.1, "s"),
        played("anna", "d", 10.2, "s"), played("anna", "z", 30, "t"),
        played("new", "a", 11, "n"), played("gone", "a", 3, "g"),
    ]  # fmt: skip
    return Temporal(START + dt.timedelta(days=9), days=14).split(listening(spark, events))


def test_a_temporal_split_learns_from_the_past_alone(temporal: Split) -> None:
    assert pairs(temporal.train, "user_id") == {("anna", "a"), ("anna", "b"), ("gone", "a")}


def test_discovery_and_relistening_are_asked_apart_and_only_of_who_has_a_past(temporal: Split) -> None:
    by_name = {task.name: task for task in temporal.tasks}
    assert pairs(by_name["discovery"].truth) == {("anna", "c"), ("anna", "d")}
    assert pairs(by_name["re-listening"].truth) == {("anna", "a")}
    assert (by_name["discovery"].offered, by_name["re-listening"].offered) == ("unheard", "heard")
    assert pairs(by_name["discovery"].asked) == {("anna", "a"), ("anna", "b")}


def test_a_session_is_asked_at_one_place_and_told_only_what_came_before_it(temporal: Split) -> None:
    following, rest = (task for task in temporal.tasks if task.offered == "all")
    in_order = ["a", "c", "d"]
    (query,) = {q for q, _ in pairs(following.truth)}
    place = int(query.rpartition("#")[2])
    assert pairs(following.asked) == {(query, track) for track in in_order[: place - 1]}
    assert pairs(following.truth) == {(query, in_order[place - 1])}
    assert pairs(rest.truth) == {(query, track) for track in in_order[place - 1 :]}


def test_training_plays_keep_their_order_and_end_before_the_cut(spark: SparkSession) -> None:
    """A session across the cut: its first plays are learned from, its last are asked, and neither stands on both sides."""
    events = [
        played("anna", "b", 1, "s"), played("anna", "a", 1.1, "s"), played("anna", "b", 1.2, "s"),
        played("anna", "x", 2), played("anna", "c", 8.9, "u"), played("anna", "d", 9, "u"), played("anna", "e", 9.1, "u"),
        ("anna", "short", "play", START + dt.timedelta(days=1.15), 2_000, None, "s"),
    ]  # fmt: skip
    split = Temporal(START + dt.timedelta(days=9)).split(listening(spark, events))
    assert split.plays is not None
    first, last = (START + dt.timedelta(days=days) for days in (1, 8.9))
    assert window_of(split, "") == {"first": f"{first:%Y-%m-%d %H:%M}", "last": f"{last:%Y-%m-%d %H:%M}"}
    assert sorted((r["session"], r["place"], r["track_id"]) for r in split.plays.collect()) == [
        ("anna|s", 1, "b"), ("anna|s", 2, "a"), ("anna|s", 3, "b"), ("anna|u", 1, "c"),
    ]  # fmt: skip
    following = split.tasks[2]
    assert following.told is not None
    assert [(r["place"], r["track_id"]) for r in following.told.collect()] == [(1, "d")]
    assert pairs(following.truth) == {("anna|u#2", "e")}


def test_a_session_is_told_in_order_what_is_asked_and_nothing_more(spark: SparkSession) -> None:
    """Tracks come again: every told play is one of the look back, and its tracks are those of `asked`."""
    heard = [("a", "b")[n % 2] for n in range(9)]
    events = [played(user, t, 10 + n / 100, "s") for user in ("u1", "u2", "u3") for n, t in enumerate(heard)]
    split = Temporal(START + dt.timedelta(days=9), session_look_back=3).split(listening(spark, events))
    for task in (one for one in split.tasks if one.offered == "all"):
        assert task.told is not None
        places: dict[str, dict[int, str]] = {}
        for row in task.told.collect():
            places.setdefault(row["query_id"], {})[row["place"]] = row["track_id"]
        assert len(places) == 3
        for query, told in places.items():
            at = int(query.rpartition("#")[2])
            assert told == {place: heard[place - 1] for place in range(max(1, at - 3), at)}
        assert pairs(task.told) == pairs(task.asked)


def test_the_exported_split_has_an_order_where_there_is_one(temporal: Split, tmp_path: Path) -> None:
    command.export(replace(temporal, inner=lambda: temporal), tmp_path)
    written = {folder.name for folder in tmp_path.iterdir()}
    tables = {"train", "plays", "next_track_told", "rest_of_session_told"} | {
        f"{task}_{kind}"
        for task in ("discovery", "re-listening", "next_track", "rest_of_session")
        for kind in ("asked", "truth")
    }
    assert written == tables | {f"inner_{name}" for name in tables}
    assert pq.read_table(tmp_path / "plays").column_names == ["session", "user_id", "place", "track_id", "played_at"]


def test_users_are_told_without_order(temporal: Split) -> None:
    assert [task.told is None for task in temporal.tasks] == [True, True, False, False]


def test_a_planted_feature_from_the_future_is_caught(spark: SparkSession) -> None:
    cut = START + dt.timedelta(days=9)
    rows = spark.createDataFrame(
        [("anna", cut - dt.timedelta(days=1)), ("anna", cut)], "user_id string, last_event_at timestamp"
    )
    require_before(rows.limit(1), "last_event_at", cut, "ratings")
    with pytest.raises(
        EvaluationError, match="a planted feature: 1 rows know what happened from 2026-01-10 00:00 UTC on"
    ):
        require_before(rows, "last_event_at", cut, "a planted feature")


def test_a_share_of_each_users_tracks_is_held_back_and_at_least_one(spark: SparkSession) -> None:
    split = PerUserRandom(share=0.2).split(tracks_of(spark, {"ten": 10, "two": 2, "one": 1}))
    train, held = pairs(split.train, "user_id"), pairs(split.tasks[0].truth)
    assert {u: sum(1 for q, _ in held if q == u) for u in ("ten", "two", "one")} == {"ten": 2, "two": 1, "one": 0}
    assert not train & held
    assert len(train | held) == 13


def test_what_is_drawn_can_be_drawn_by_any_tool(spark: SparkSession) -> None:
    """First of the user's tracks by the first 15 hex digits of SHA-256 of `7|user|track`."""
    split = PerUserRandom(share=0.2, seed=7).split(tracks_of(spark, {"ten": 10}))
    order = sorted((f"t{n}" for n in range(10)), key=lambda t: hashlib.sha256(f"7|ten|{t}".encode()).hexdigest()[:15])
    assert pairs(split.tasks[0].truth) == {("ten", track) for track in order[:2]}


def test_tuning_sees_no_held_track(spark: SparkSession) -> None:
    split = PerUserRandom().split(tracks_of(spark, {"ten": 10, "five": 5}))
    inner = split.inner()
    everything = pairs(inner.train, "user_id") | pairs(inner.tasks[0].truth)
    assert everything == pairs(split.train, "user_id")


def test_temporal_tuning_ends_before_the_cut(spark: SparkSession) -> None:
    days = [played("anna", f"t{day}", day + 0.5, "s") for day in range(12)]
    split = Temporal(START + dt.timedelta(days=8), days=3).split(listening(spark, days))
    inner = split.inner()
    assert pairs(inner.train, "user_id") == {("anna", f"t{day}") for day in range(5)}
    assert pairs(inner.tasks[0].truth) == {("anna", "t5"), ("anna", "t6"), ("anna", "t7")}
    assert inner.plays is not None
    assert pairs(inner.plays, "session") == {("anna|s", f"t{day}") for day in range(5)}
    assert pairs(split.tasks[0].truth) == {("anna", "t8"), ("anna", "t9"), ("anna", "t10")}


def test_a_short_play_is_no_answer(spark: SparkSession) -> None:
    skipped = ("anna", "b", "play", START + dt.timedelta(days=10.1), 2_000, None, "s")
    events = [played("anna", "a", 1), played("anna", "a", 10, "s"), skipped, played("anna", "c", 10.2, "s")]
    following = Temporal(START + dt.timedelta(days=9)).split(listening(spark, events)).tasks[2]
    assert {track for _, track in pairs(following.truth)} == {"c"}


def test_play_counts_are_left_out_of_a_temporal_split_and_counted(spark: SparkSession) -> None:
    data = listening(spark, [played("anna", "a", 1), played("anna", "b", 10)])
    counts = spark.createDataFrame([("anna", "c", 3.0, 3, False, None)], HISTORY)
    split = Temporal(START + dt.timedelta(days=9)).split(
        replace(data, history=data.history.unionByName(counts, allowMissingColumns=True))
    )
    assert "1 ratings without a time (play counts) are left out" in split.protocol


def test_a_split_that_leaks_is_caught(temporal: Split) -> None:
    require_untold(temporal)
    leak = temporal.tasks[0].truth.selectExpr("query_id AS user_id", "track_id", "rating").limit(1)
    with pytest.raises(EvaluationError, match="'discovery': 1 of the relevant tracks stand in the training rows"):
        require_untold(replace(temporal, train=temporal.train.unionByName(leak)))


def test_the_last_tracks_are_held_back(spark: SparkSession) -> None:
    split = LeaveLast(last=2).split(tracks_of(spark, {"five": 5, "two": 2}))
    assert pairs(split.tasks[0].truth) == {("five", "t3"), ("five", "t4")}
    assert ("two", "t0") in pairs(split.train, "user_id")


def test_held_out_users_teach_nothing_and_are_told_four_fifths(spark: SparkSession) -> None:
    data = tracks_of(spark, {f"u{n:02d}": 10 for n in range(30)})
    split = HeldOutUsers(min_listeners=2, min_tracks=5).split(data)
    asked, truth = pairs(split.tasks[0].asked), pairs(split.tasks[0].truth)
    users = {user for user, _ in asked}
    assert len(users) == 3
    assert not users & {user for user, _ in pairs(split.train, "user_id")}
    assert all(sum(1 for u, _ in asked if u == user) == 8 for user in users)
    assert len(truth) == 6


def test_tuning_asks_other_held_out_users_of_the_same_training(spark: SparkSession) -> None:
    split = HeldOutUsers(min_listeners=2, min_tracks=5).split(tracks_of(spark, {f"u{n:02d}": 10 for n in range(30)}))
    inner = split.inner()
    tested, tuned = ({user for user, _ in pairs(part.tasks[0].truth)} for part in (split, inner))
    assert len(tuned) == 3
    assert not tested & tuned
    learned = {user for user, _ in pairs(split.train, "user_id")}
    assert len(learned) == 24
    assert learned == {user for user, _ in pairs(inner.train, "user_id")}


def test_thin_tracks_and_users_are_left_out_as_liang_does(spark: SparkSession) -> None:
    data = tracks_of(spark, {**{f"u{n:02d}": 10 for n in range(30)}, "thin": 3, "long": 12})
    split = HeldOutUsers(min_listeners=2, min_tracks=5).split(data)
    told = pairs(split.train, "user_id") | pairs(split.tasks[0].asked) | pairs(split.tasks[0].truth)
    assert not {user for user, _ in told} & {"thin"}
    assert not {track for _, track in told} & {"t10", "t11"}
