"""The catalogue as the lists use it, and the listeners that the report shows, on tables of a few rows."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.lake.schemas import table
from jobs.report import examples, music
from jobs.report.difference import listeners_lists
from tests.report.test_difference import ranked

NOW = {"old": ["a", "b", "c"], "young": ["a", "d"], "mixed": ["a", "c"], "nobody": ["b", "e"], "steady": ["b", "c"]}
THEN = {"old": ["b", "a", "c"], "young": ["d", "f"], "mixed": ["f", "d"], "steady": ["b", "c"]}
HEARD = {"old": 9, "young": 2, "mixed": 3, "nobody": 0, "steady": 4}
ARTISTS = {"a": "Ann", "b": "Ann", "c": "Cy", "d": "Di", "e": "Eve", "f": "Fay", "g": None, "h": None, "t12": "Ted"}


@pytest.fixture(scope="module")
def frames(spark: SparkSession) -> dict[str, DataFrame]:
    """Track a has 4 listeners, b and c 2 each, d 1; e, f, g, h and t12 (in every list of Rock) none."""
    heard = [(u, t, 5.0 - n, 3) for t, users in {"a": 4, "b": 2, "c": 2, "d": 1}.items() for n, u in enumerate(list(HEARD)[:users])]
    tracks = [(t, None, None if t == "h" else f"Title {t}", "AR1" if t == "g" else None, a, t in "ab", None, None, None, "plays")
              for t, a in ARTISTS.items()]  # fmt: skip
    genres: list[tuple[Any, ...]] = [
        (t, None if t in "gh" else "Rock" if t in "abc" else "Trance", 0.9, [], "label" if t in "abc" else "none", None)
        for t in ARTISTS
    ]
    made: dict[str, Any] = {
        "tracks": spark.createDataFrame(tracks, table("tracks").schema),
        "genres": spark.createDataFrame(genres, table("track_genres").schema),
        "history": spark.createDataFrame(heard, "user_id string, track_id string, rating double, plays long"),
        "mel": spark.createDataFrame([("a",)], "track_id string"),
        "now": ranked(spark, NOW, {"mixed": ["personal", "popular"], "nobody": ["popular"] * 2}), "then": ranked(spark, THEN),
    }  # fmt: skip
    made["music"] = music.placed_tracks(made["tracks"], made["genres"], made["history"], made["now"], made["then"], made["mel"])
    listeners = spark.createDataFrame(list(HEARD.items()), "user_id string, heard long")
    profiles = spark.createDataFrame([], "user_id string")
    made["lists"] = listeners_lists(listeners, profiles, made["now"], made["then"])
    made["first"] = listeners_lists(listeners, profiles, made["now"], None)
    return made


def test_coverage_counts_each_track_once(frames: dict[str, DataFrame]) -> None:
    assert music.coverage(frames["music"]) == {
        "tracks": 9, "titled": 7, "with_genre": 7, "audio": 2, "mel": 1, "offered": 6, "offered_overall": 5, "places": 11,
        "unplayed": 5, "unplayed_places": 1, "hit_places": 10,
    }  # fmt: skip


def test_genres_and_their_sources(frames: dict[str, DataFrame]) -> None:
    found = music.genres(frames["music"])
    assert [(row["genre"], row["tracks"], row["places"]) for row in found] == [("Trance", 4, 2), ("Rock", 3, 9), ("unknown", 2, 0)]
    sources = music.genre_sources(frames["music"])
    assert [(row["source"], row["tracks"], row["plays"]) for row in sources] == [("none", 6, 3), ("label", 3, 24)]


def test_tracks_of_equal_popularity_share_a_tenth_evenly(frames: dict[str, DataFrame]) -> None:
    found = music.popularity(frames["music"])
    assert [row["tenth"] for row in found] == list(range(1, 11))
    assert [row["tracks"] for row in found] == [0.4] * 10
    # of the four played tracks a has the first quarter (3 places, 12 plays), b and c the middle (3 + 3), d the last (1)
    by_tenth = {row["tenth"]: row["places"] for row in found}
    assert by_tenth[1] == by_tenth[2] == 1.2
    assert by_tenth[3] == 0.6 + 0.6
    assert by_tenth[5] == 1.2
    assert by_tenth[10] == 0.4
    assert round(sum(row["plays"] for row in found), 3) == 27


def test_artists_come_and_go(spark: SparkSession, frames: dict[str, DataFrame]) -> None:
    found = music.artists(spark, frames["music"])
    assert (found["in"], found["out"], found["both"]) == (1, 1, 3)
    assert found["gained"] == [
        {"artist": "Ann", "places": 6, "before": 3}, {"artist": "Cy", "places": 3, "before": 2},
        {"artist": "Eve", "places": 1, "before": 0},
    ]  # fmt: skip
    assert found["lost"] == [{"artist": "Fay", "places": 0, "before": 2}, {"artist": "Di", "places": 1, "before": 2}]


def test_tiers_are_counted_overall_and_per_genre(frames: dict[str, DataFrame]) -> None:
    found = {(row["lists"], row["tier"]): row["places"] for row in music.tiers(frames["now"])}
    assert found == {("overall", "personal"): 8, ("overall", "popular"): 3, ("per genre", "personal"): 5}


def test_examples_are_chosen_by_rule_and_nobody_twice(frames: dict[str, DataFrame]) -> None:
    chosen = examples.choose(frames["lists"])
    assert {role: one["user_id"] for role, one in chosen.items()} == {
        "longest": "old", "shortest": "young", "newcomer": "nobody", "changed": "mixed",
    }  # fmt: skip
    assert {role: one["heard"] for role, one in chosen.items()} == {"longest": 9, "shortest": 2, "newcomer": 0, "changed": 3}
    few = examples.choose(frames["first"].where("user_id <> 'nobody'"))
    assert {role: one["user_id"] for role, one in few.items()} == {
        "longest": "old", "shortest": "young", "median": "mixed", "upper": "steady",
    }  # fmt: skip
    assert examples.choose(frames["first"].limit(0)) == {}
    first = examples.choose(frames["first"])
    assert {role: one["user_id"] for role, one in first.items()} == {
        "longest": "old", "shortest": "young", "newcomer": "nobody", "median": "mixed",
    }  # fmt: skip


def test_an_example_tells_what_is_new_and_what_went_out(frames: dict[str, DataFrame]) -> None:
    chosen = {"longest": {"user_id": "old", "heard": 9}, "changed": {"user_id": "young", "heard": 2}}
    users = ["old", "young"]
    listed = examples.places(users, frames["now"], frames["then"], frames["music"])
    old, young = examples.sections(chosen, listed, examples.loved(users, frames["history"], frames["music"]))
    assert [(i["track_id"], i["rank"], i["before"]) for i in old["items"]] == [("a", 1, 2), ("b", 2, 1), ("c", 3, 3)]
    assert (old["out"], old["new"], old["returning"]) == ([], 0, True)
    assert [(i["track_id"], i["rank"], i["before"]) for i in young["items"]] == [("a", 1, None), ("d", 2, 1)]
    assert [(i["title"], i["before"]) for i in young["out"]] == [("Title f", 2)]
    assert (young["new"], young["anchor"], young["heard"]) == (1, "example-2", 2)
    assert [(i["track_id"], i["rating"]) for i in old["loved"]] == [("a", 5.0), ("b", 5.0), ("c", 5.0), ("d", 5.0)]
