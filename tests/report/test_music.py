"""Figures of the catalogue in the lists, and example users, on tables of a few rows."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.lake.schemas import table
from jobs.report import examples, music
from jobs.report.difference import user_lists
from tests.report.test_difference import ranked

CURRENT = {"old": ["a", "b", "c"], "young": ["a", "d"], "mixed": ["a", "c"], "nobody": ["b", "e"], "steady": ["b", "c"]}
PREVIOUS = {"old": ["b", "a", "c"], "young": ["d", "f"], "mixed": ["f", "d"], "steady": ["b", "c"]}
HISTORY_LENGTH = {"old": 9, "young": 2, "mixed": 3, "nobody": 0, "steady": 4}
ARTISTS = {"a": "Ann", "b": "Ann", "c": "Cy", "d": "Di", "e": "Eve", "f": "Fay", "g": None, "h": None, "t12": "Ted"}


@pytest.fixture(scope="module")
def frames(spark: SparkSession) -> dict[str, DataFrame]:
    """Track a has 4 users, b and c 2 each, d 1; e, f, g, h and t12 (in every list of Rock) none."""
    ratings = [
        (u, t, 5.0 - n, 3)
        for t, users in {"a": 4, "b": 2, "c": 2, "d": 1}.items()
        for n, u in enumerate(list(HISTORY_LENGTH)[:users])
    ]
    tracks = [(t, None, None if t == "h" else f"Title {t}", "AR1" if t == "g" else None, a, t in "ab", None, None, None, "plays")
              for t, a in ARTISTS.items()]  # fmt: skip
    genres: list[tuple[Any, ...]] = [
        (t, None if t in "gh" else "Rock" if t in "abc" else "Trance", 0.9, [], "label" if t in "abc" else "none", None)
        for t in ARTISTS
    ]
    frames_: dict[str, Any] = {
        "tracks": spark.createDataFrame(tracks, table("tracks").schema),
        "genres": spark.createDataFrame(genres, table("track_genres").schema),
        "history": spark.createDataFrame(ratings, "user_id string, track_id string, rating double, plays long"),
        "mel": spark.createDataFrame([("a",)], "track_id string"),
        "current": ranked(spark, CURRENT, {"mixed": ["personal", "popular"], "nobody": ["popular"] * 2}),
        "previous": ranked(spark, PREVIOUS),
    }  # fmt: skip
    frames_["music"] = music.track_usage(
        frames_["tracks"],
        frames_["genres"],
        frames_["history"],
        frames_["current"],
        frames_["previous"],
        frames_["mel"],
    )
    eligible = spark.createDataFrame(list(HISTORY_LENGTH.items()), "user_id string, n_seen long")
    profiles = spark.createDataFrame([], "user_id string")
    frames_["lists"] = user_lists(eligible, profiles, frames_["current"], frames_["previous"])
    frames_["first"] = user_lists(eligible, profiles, frames_["current"], None)
    return frames_


def test_coverage_counts_each_track_once(frames: dict[str, DataFrame]) -> None:
    assert music.coverage(frames["music"]) == {
        "tracks": 9, "titled": 7, "with_genre": 7, "audio": 2, "mel": 1, "recommended": 6, "recommended_overall": 5, "slots": 11,
        "unplayed": 5, "unplayed_slots": 1, "hit_slots": 10,
    }  # fmt: skip


def test_genres_and_their_origins(frames: dict[str, DataFrame]) -> None:
    rows = music.genres(frames["music"])
    assert [(row["genre"], row["tracks"], row["slots"]) for row in rows] == [
        ("Trance", 4, 2),
        ("Rock", 3, 9),
        ("unknown", 2, 0),
    ]
    sources = music.genre_sources(frames["music"])
    assert [(row["source"], row["tracks"], row["plays"]) for row in sources] == [("none", 6, 3), ("label", 3, 24)]


def test_equally_popular_tracks_are_split_evenly(frames: dict[str, DataFrame]) -> None:
    rows = music.popularity(frames["music"])
    assert [row["tenth"] for row in rows] == list(range(1, 11))
    assert [row["tracks"] for row in rows] == [0.4] * 10
    # of the four played tracks a has the first quarter (3 slots, 12 plays), b and c the middle (3 + 3), d the last (1)
    by_tenth = {row["tenth"]: row["slots"] for row in rows}
    assert by_tenth[1] == by_tenth[2] == 1.2
    assert by_tenth[3] == 0.6 + 0.6
    assert by_tenth[5] == 1.2
    assert by_tenth[10] == 0.4
    assert round(sum(row["plays"] for row in rows), 3) == 27


def test_artists_in_and_out_of_lists(spark: SparkSession, frames: dict[str, DataFrame]) -> None:
    rows = music.artists(spark, frames["music"])
    assert (rows["in"], rows["out"], rows["both"]) == (1, 1, 3)
    assert rows["gained"] == [
        {"artist": "Ann", "slots": 6, "previous": 3}, {"artist": "Cy", "slots": 3, "previous": 2},
        {"artist": "Eve", "slots": 1, "previous": 0},
    ]  # fmt: skip
    assert rows["lost"] == [{"artist": "Fay", "slots": 0, "previous": 2}, {"artist": "Di", "slots": 1, "previous": 2}]


def test_tiers_are_counted_overall_and_per_genre(frames: dict[str, DataFrame]) -> None:
    rows = {(row["lists"], row["tier"]): row["slots"] for row in music.tiers(frames["current"])}
    assert rows == {("overall", "personal"): 8, ("overall", "popular"): 3, ("per genre", "personal"): 5}


def test_example_users_are_distinct_and_follow_the_roles(frames: dict[str, DataFrame]) -> None:
    chosen = examples.choose_users(frames["lists"])
    assert {role: user["user_id"] for role, user in chosen.items()} == {
        "longest": "old", "shortest": "young", "newcomer": "nobody", "changed": "mixed",
    }  # fmt: skip
    assert {role: user["n_seen"] for role, user in chosen.items()} == {
        "longest": 9,
        "shortest": 2,
        "newcomer": 0,
        "changed": 3,
    }
    few = examples.choose_users(frames["first"].where("user_id <> 'nobody'"))
    assert {role: user["user_id"] for role, user in few.items()} == {
        "longest": "old", "shortest": "young", "median": "mixed", "upper": "steady",
    }  # fmt: skip
    assert examples.choose_users(frames["first"].limit(0)) == {}
    first = examples.choose_users(frames["first"])
    assert {role: user["user_id"] for role, user in first.items()} == {
        "longest": "old", "shortest": "young", "newcomer": "nobody", "median": "mixed",
    }  # fmt: skip


def test_example_has_new_and_removed_tracks(frames: dict[str, DataFrame]) -> None:
    chosen = {"longest": {"user_id": "old", "n_seen": 9}, "changed": {"user_id": "young", "n_seen": 2}}
    users = ["old", "young"]
    changes = examples.list_changes(users, frames["current"], frames["previous"], frames["music"])
    old, young = examples.build_examples(
        chosen, changes, examples.best_rated(users, frames["history"], frames["music"])
    )
    assert [(i["track_id"], i["rank"], i["previous_rank"]) for i in old["items"]] == [
        ("a", 1, 2),
        ("b", 2, 1),
        ("c", 3, 3),
    ]
    assert (old["removed"], old["n_new"], old["had_list"]) == ([], 0, True)
    assert [(i["track_id"], i["rank"], i["previous_rank"]) for i in young["items"]] == [("a", 1, None), ("d", 2, 1)]
    assert [(i["title"], i["previous_rank"]) for i in young["removed"]] == [("Title f", 2)]
    assert (young["n_new"], young["section"], young["n_seen"]) == (1, "example-2", 2)
    assert [(i["track_id"], i["rating"]) for i in old["best_rated"]] == [("a", 5.0), ("b", 5.0), ("c", 5.0), ("d", 5.0)]
