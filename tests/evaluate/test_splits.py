import datetime as dt
import hashlib
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.errors import EvaluationError
from jobs.evaluate import command
from jobs.evaluate.interactions import Interactions
from jobs.evaluate.model_card import training_window
from jobs.evaluate.splits import HeldOutUsers, LeaveLast, PerUserRandom, Split, require_no_leak
from jobs.evaluate.temporal import Temporal, require_before

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EVENTS = "user_id string, track_id string, event string, played_at timestamp, ms_played long, rating double, session_id string"
HISTORY = "user_id string, track_id string, rating double, plays long, liked boolean, last_event_at timestamp"


def play(user: str, track: str, day: float, session: str | None = None) -> tuple[object, ...]:
    return user, track, "play", START + dt.timedelta(days=day), None, None, session


def interactions_of(spark: SparkSession, events: list[tuple[object, ...]]) -> Interactions:
    frame = spark.createDataFrame(events, EVENTS)
    return Interactions(frame, Interactions(frame, frame).build_history_of(frame))


def pairs(frame: DataFrame, key: str = "query_id") -> set[tuple[str, str]]:
    return {(row[key], row["track_id"]) for row in frame.collect()}


def tracks_of(spark: SparkSession, users: dict[str, int]) -> Interactions:
    rows = [(u, f"t{n}", 1.0, 1, False, START + dt.timedelta(days=n)) for u, many in users.items() for n in range(many)]
    history = spark.createDataFrame(rows, HISTORY)
    return Interactions(history.limit(0), history)


@pytest.fixture(scope="module")
def temporal(spark: SparkSession) -> Split:
    events = [
        play("anna", "a", 1), play("anna", "b", 2), play("anna", "a", 10, "s"), play("anna", "c", 10.1, "s"),
        play("anna", "d", 10.2, "s"), play("anna", "z", 30, "t"),
        play("new", "a", 11, "n"), play("gone", "a", 3, "g"),
    ]  # fmt: skip
    return Temporal(START + dt.timedelta(days=9), days=14).split(interactions_of(spark, events))


def test_temporal_split_trains_on_the_past_only(temporal: Split) -> None:
    assert pairs(temporal.train, "user_id") == {("anna", "a"), ("anna", "b"), ("gone", "a")}


def test_discovery_and_relistening_test_users_with_a_past(temporal: Split) -> None:
    by_name = {task.name: task for task in temporal.tasks}
    assert pairs(by_name["discovery"].truth) == {("anna", "c"), ("anna", "d")}
    assert pairs(by_name["re-listening"].truth) == {("anna", "a")}
    assert (by_name["discovery"].candidate_filter, by_name["re-listening"].candidate_filter) == ("exclude_seen", "only_seen")
    assert pairs(by_name["discovery"].inputs) == {("anna", "a"), ("anna", "b")}


def test_session_task_has_one_target_and_only_earlier_inputs(temporal: Split) -> None:
    next_track, rest = (task for task in temporal.tasks if task.candidate_filter == "all")
    in_order = ["a", "c", "d"]
    (query,) = {q for q, _ in pairs(next_track.truth)}
    position = int(query.rpartition("#")[2])
    assert pairs(next_track.inputs) == {(query, track) for track in in_order[: position - 1]}
    assert pairs(next_track.truth) == {(query, in_order[position - 1])}
    assert pairs(rest.truth) == {(query, track) for track in in_order[position - 1 :]}


def test_training_plays_are_ordered_and_end_before_the_cutoff(spark: SparkSession) -> None:
    """A session across the cut: its first plays are learned from, its last are asked, and neither stands on both sides."""
    events = [
        play("anna", "b", 1, "s"), play("anna", "a", 1.1, "s"), play("anna", "b", 1.2, "s"),
        play("anna", "x", 2), play("anna", "c", 8.9, "u"), play("anna", "d", 9, "u"), play("anna", "e", 9.1, "u"),
        ("anna", "short", "play", START + dt.timedelta(days=1.15), 2_000, None, "s"),
    ]  # fmt: skip
    split = Temporal(START + dt.timedelta(days=9)).split(interactions_of(spark, events))
    assert split.plays is not None
    first, last = (START + dt.timedelta(days=days) for days in (1, 8.9))
    assert training_window(split, "") == {"first": f"{first:%Y-%m-%d %H:%M}", "last": f"{last:%Y-%m-%d %H:%M}"}
    assert sorted((r["session"], r["position"], r["track_id"]) for r in split.plays.collect()) == [
        (f"anna|@{int((START + dt.timedelta(days=2)).timestamp())}", 1, "x"),
        ("anna|s", 1, "b"), ("anna|s", 2, "a"), ("anna|s", 3, "b"), ("anna|u", 1, "c"),
    ]  # fmt: skip
    next_track = split.tasks[2]
    assert next_track.input_sequence is not None
    assert [(r["position"], r["track_id"]) for r in next_track.input_sequence.collect()] == [(1, "d")]
    assert pairs(next_track.truth) == {("anna|u#2", "e")}


def test_input_sequence_is_the_look_back_in_play_order(spark: SparkSession) -> None:
    """Tracks come again: every told play is one of the look back, and its tracks are those of `asked`."""
    played_tracks = [("a", "b")[n % 2] for n in range(9)]
    events = [play(user, t, 10 + n / 100, "s") for user in ("u1", "u2", "u3") for n, t in enumerate(played_tracks)]
    split = Temporal(START + dt.timedelta(days=9), session_look_back=3).split(interactions_of(spark, events))
    for task in (task for task in split.tasks if task.candidate_filter == "all"):
        assert task.input_sequence is not None
        sequences: dict[str, dict[int, str]] = {}
        for row in task.input_sequence.collect():
            sequences.setdefault(row["query_id"], {})[row["position"]] = row["track_id"]
        assert len(sequences) == 3
        for query, sequence in sequences.items():
            at = int(query.rpartition("#")[2])
            assert sequence == {position: played_tracks[position - 1] for position in range(max(1, at - 3), at)}
        assert pairs(task.input_sequence) == pairs(task.inputs)


def test_export_has_sequences_for_session_tasks_only(temporal: Split, tmp_path: Path) -> None:
    command.export_split(replace(temporal, inner=lambda: temporal), tmp_path)
    written = {folder.name for folder in tmp_path.iterdir()}
    tables = {"train", "plays", "next_track_input_sequence", "rest_of_session_input_sequence"} | {
        f"{task}_{kind}"
        for task in ("discovery", "re-listening", "next_track", "rest_of_session")
        for kind in ("inputs", "truth")
    }
    assert written == tables | {f"inner_{name}" for name in tables}
    assert pq.read_table(tmp_path / "plays").column_names == ["session", "user_id", "position", "track_id", "played_at"]


def test_user_tasks_have_no_sequence(temporal: Split) -> None:
    assert [task.input_sequence is None for task in temporal.tasks] == [True, True, False, False]


def test_rows_after_the_cutoff_raise(spark: SparkSession) -> None:
    cutoff = START + dt.timedelta(days=9)
    rows = spark.createDataFrame(
        [("anna", cutoff - dt.timedelta(days=1)), ("anna", cutoff)], "user_id string, last_event_at timestamp"
    )
    require_before(rows.limit(1), "last_event_at", cutoff, "ratings")
    with pytest.raises(EvaluationError, match="a planted feature: 1 rows are from 2026-01-10 00:00 UTC or later"):
        require_before(rows, "last_event_at", cutoff, "a planted feature")


def test_random_split_holds_out_a_share_and_at_least_one_track(spark: SparkSession) -> None:
    split = PerUserRandom(share=0.2).split(tracks_of(spark, {"ten": 10, "two": 2, "one": 1}))
    train, held_out = pairs(split.train, "user_id"), pairs(split.tasks[0].truth)
    assert {u: sum(1 for q, _ in held_out if q == u) for u in ("ten", "two", "one")} == {"ten": 2, "two": 1, "one": 0}
    assert not train & held_out
    assert len(train | held_out) == 13


def test_random_split_is_reproducible_with_sha256(spark: SparkSession) -> None:
    """First of the user's tracks by the first 15 hex digits of SHA-256 of `7|user|track`."""
    split = PerUserRandom(share=0.2, seed=7).split(tracks_of(spark, {"ten": 10}))
    order = sorted((f"t{n}" for n in range(10)), key=lambda t: hashlib.sha256(f"7|ten|{t}".encode()).hexdigest()[:15])
    assert pairs(split.tasks[0].truth) == {("ten", track) for track in order[:2]}


def test_inner_split_has_no_held_out_track(spark: SparkSession) -> None:
    split = PerUserRandom().split(tracks_of(spark, {"ten": 10, "five": 5}))
    inner = split.inner()
    everything = pairs(inner.train, "user_id") | pairs(inner.tasks[0].truth)
    assert everything == pairs(split.train, "user_id")


def test_inner_temporal_split_ends_before_the_cutoff(spark: SparkSession) -> None:
    days = [play("anna", f"t{day}", day + 0.5, "s") for day in range(12)]
    split = Temporal(START + dt.timedelta(days=8), days=3).split(interactions_of(spark, days))
    inner = split.inner()
    assert pairs(inner.train, "user_id") == {("anna", f"t{day}") for day in range(5)}
    assert pairs(inner.tasks[0].truth) == {("anna", "t5"), ("anna", "t6"), ("anna", "t7")}
    assert inner.plays is not None
    assert pairs(inner.plays, "session") == {("anna|s", f"t{day}") for day in range(5)}
    assert pairs(split.tasks[0].truth) == {("anna", "t8"), ("anna", "t9"), ("anna", "t10")}


def test_short_play_is_not_relevant(spark: SparkSession) -> None:
    skipped = ("anna", "b", "play", START + dt.timedelta(days=10.1), 2_000, None, "s")
    events = [play("anna", "a", 1), play("anna", "a", 10, "s"), skipped, play("anna", "c", 10.2, "s")]
    next_track = Temporal(START + dt.timedelta(days=9)).split(interactions_of(spark, events)).tasks[2]
    assert {track for _, track in pairs(next_track.truth)} == {"c"}


def test_temporal_split_leaves_out_play_counts_and_counts_them(spark: SparkSession) -> None:
    data = interactions_of(spark, [play("anna", "a", 1), play("anna", "b", 10)])
    counts = spark.createDataFrame([("anna", "c", 3.0, 3, False, None)], HISTORY)
    split = Temporal(START + dt.timedelta(days=9)).split(
        replace(data, history=data.history.unionByName(counts, allowMissingColumns=True))
    )
    assert "1 ratings without a timestamp (play counts) are left out" in split.protocol


def test_leaking_split_raises(temporal: Split) -> None:
    require_no_leak(temporal)
    leak = temporal.tasks[0].truth.selectExpr("query_id AS user_id", "track_id", "rating").limit(1)
    with pytest.raises(EvaluationError, match="'discovery': 1 relevant tracks are in the training data"):
        require_no_leak(replace(temporal, train=temporal.train.unionByName(leak)))


def test_leave_last_holds_out_the_last_tracks(spark: SparkSession) -> None:
    split = LeaveLast(last=2).split(tracks_of(spark, {"five": 5, "two": 2}))
    assert pairs(split.tasks[0].truth) == {("five", "t3"), ("five", "t4")}
    assert ("two", "t0") in pairs(split.train, "user_id")


def test_held_out_users_are_not_in_training_and_four_fifths_are_inputs(spark: SparkSession) -> None:
    data = tracks_of(spark, {f"u{n:02d}": 10 for n in range(30)})
    split = HeldOutUsers(min_users_per_track=2, min_tracks=5).split(data)
    inputs, truth = pairs(split.tasks[0].inputs), pairs(split.tasks[0].truth)
    users = {user for user, _ in inputs}
    assert len(users) == 3
    assert not users & {user for user, _ in pairs(split.train, "user_id")}
    assert all(sum(1 for u, _ in inputs if u == user) == 8 for user in users)
    assert len(truth) == 6


def test_inner_split_has_other_held_out_users_and_the_same_training_data(spark: SparkSession) -> None:
    split = HeldOutUsers(min_users_per_track=2, min_tracks=5).split(
        tracks_of(spark, {f"u{n:02d}": 10 for n in range(30)})
    )
    inner = split.inner()
    tested, tuned = ({user for user, _ in pairs(part.tasks[0].truth)} for part in (split, inner))
    assert len(tuned) == 3
    assert not tested & tuned
    train_users = {user for user, _ in pairs(split.train, "user_id")}
    assert len(train_users) == 24
    assert train_users == {user for user, _ in pairs(inner.train, "user_id")}


def test_rare_tracks_and_short_histories_are_left_out(spark: SparkSession) -> None:
    data = tracks_of(spark, {**{f"u{n:02d}": 10 for n in range(30)}, "thin": 3, "long": 12})
    split = HeldOutUsers(min_users_per_track=2, min_tracks=5).split(data)
    all_pairs = pairs(split.train, "user_id") | pairs(split.tasks[0].inputs) | pairs(split.tasks[0].truth)
    assert not {user for user, _ in all_pairs} & {"thin"}
    assert not {track for _, track in all_pairs} & {"t10", "t11"}
