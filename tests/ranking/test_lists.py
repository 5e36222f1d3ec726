"""Lists are as long as they can be: personal places first, then popular tracks, then those that nobody has played."""

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.ranking.fallback import build_fallback, fill, short_lists
from jobs.ranking.rank import Config, append_cold_start, list_limit, rank_fallback, rank_personal
from jobs.recommenders import list_rules, reasons

GENRES = "track_id string, genre string, confidence double, source string"
HISTORY = "user_id string, track_id string, rating double"
CANDIDATES = (
    "user_id string, list string, track_id string, method string, score double, percentile double, genre_share double, "
    "reason_track_id string"
)


@pytest.fixture
def genres(spark: SparkSession) -> DataFrame:
    rows = [(f"t{n}", "Rock", 0.5 + n / 100, "audio_model") for n in range(6)] + [("x", None, 0.0, "none")]
    return spark.createDataFrame(rows, GENRES)


Lists = dict[tuple[str, str], list[tuple[str, str]]]


def lists(spark: SparkSession, genres: DataFrame, history: DataFrame, candidates: DataFrame) -> Lists:
    config = Config(overall=4, per_genre=3)
    names = spark.createDataFrame([("t0", "Title")], "track_id string, name string")
    personal = rank_personal(candidates, names, config)
    members = list_rules.list_members(genres)
    users = spark.createDataFrame([("old", 0), ("new", 0)], "user_id string, n_seen long")
    incomplete = list_rules.users_with_short_lists(users, members, list_rules.list_lengths(personal), list_limit(config))
    n_excluded = list_rules.excluded_per_list(history, members)
    required = list_rules.required_lengths(incomplete, members, n_excluded, list_limit(config))
    filled = fill(short_lists(required, personal), build_fallback(members, history, genres), history, personal)
    rows = personal.unionByName(rank_fallback(filled, genres)).orderBy("user_id", "list", "rank").collect()
    found: Lists = {}
    for row in rows:
        assert row["rank"] == len(found.setdefault((row["user_id"], row["list"]), [])) + 1
        assert row["why"]
        found[row["user_id"], row["list"]].append((row["track_id"], row["tier"]))
    return found


def test_short_lists_are_filled_with_unheard_tracks(spark: SparkSession, genres: DataFrame) -> None:
    heard = [("old", "t0", 1.0), ("a", "t1", 2.0), ("b", "t1", 1.0), ("a", "t2", 1.0), ("old", "t3", 0.0)]
    offered = [("old", "Rock", "t2", "pmrs_cf", 0.4, 1.0, 1.0, "t0"), ("old", "overall", "t2", "pmrs_cf", 0.4, 1.0, 1.0, "t0")]
    found = lists(spark, genres, spark.createDataFrame(heard, HISTORY), spark.createDataFrame(offered, CANDIDATES))
    assert found["old", "Rock"] == [("t2", "personal"), ("t1", "popular"), ("t5", "fallback_unplayed")]
    unplayed = [(name, "fallback_unplayed") for name in ("t5", "t4")]
    assert found["old", "overall"] == [("t2", "personal"), ("t1", "popular"), *unplayed]
    assert found["new", "Rock"] == [("t1", "popular"), ("t2", "popular"), ("t0", "popular")]
    assert len(found["new", "overall"]) == 4


def test_list_ends_with_the_last_unheard_track(spark: SparkSession, genres: DataFrame) -> None:
    heard = [("old", f"t{n}", 1.0) for n in range(5)]
    found = lists(spark, genres, spark.createDataFrame(heard, HISTORY), spark.createDataFrame([], CANDIDATES))
    assert found["old", "Rock"] == [("t5", "fallback_unplayed")]
    assert found["old", "overall"] == [("t5", "fallback_unplayed"), ("x", "fallback_unplayed")]


def test_only_users_with_a_short_list_are_returned(spark: SparkSession, genres: DataFrame) -> None:
    """Lists of two: `full` has all, `short` lacks one of the overall list, `new` has none; nobody can have a second `x`."""
    members = list_rules.list_members(genres.where("track_id IN ('t0', 't1', 't2', 'x')"))
    config = Config(overall=2, per_genre=0)
    places = [("full", "overall", "t0"), ("full", "overall", "x"), ("short", "overall", "t0"), ("short", "Rock", "t1")]
    personal = spark.createDataFrame(places, "user_id string, list string, track_id string")
    users = spark.createDataFrame([("full",), ("short",), ("new",)], "user_id string")
    found = list_rules.users_with_short_lists(users, members, list_rules.list_lengths(personal), list_limit(config)).collect()
    assert sorted(row["user_id"] for row in found) == ["new", "short"]
    few = members.where("track_id IN ('t0', 'x')")
    whole = list_rules.users_with_short_lists(users.where("user_id = 'full'"), few, list_rules.list_lengths(personal), F.lit(9))
    assert [row["user_id"] for row in whole.collect()] == ["full"]  # Rock lacks t0, the overall list nothing


def test_cold_start_tracks_end_the_overall_lists_only(spark: SparkSession) -> None:
    names = spark.createDataFrame([("t0", "Title")], "track_id string, name string")
    places = [("full", name, n) for n in range(4) for name in ("overall", "Rock")] + [("short", "overall", 1)]
    offered = [(user, name, f"t{n}", "pmrs_cf", 1 - n / 10, 1 - n / 10, 1.0, "t9") for user, name, n in places]
    personal = rank_personal(spark.createDataFrame(offered, CANDIDATES), names, Config(overall=3, per_genre=2))
    new = [("full", "n1", 0.9, "t0"), ("short", "n1", 0.8, None), ("short", "n2", 0.9, "gone")]
    rows = append_cold_start(
        personal,
        spark.createDataFrame(new, "user_id string, track_id string, score double, reason_track_id string"),
        names,
        Config(overall=3, per_genre=2),
    ).orderBy("user_id", "list", "rank").collect()  # fmt: skip
    found = {(r.user_id, r.list): [x.track_id for x in rows if (x.user_id, x.list) == (r.user_id, r.list)] for r in rows}
    assert found == {
        ("full", "overall"): ["t0", "t1", "n1"], ("full", "Rock"): ["t0", "t1"], ("short", "overall"): ["t1", "n2", "n1"],
    }  # fmt: skip
    assert [r.rank for r in rows] == [1, 2, 1, 2, 3, 1, 2, 3]
    why = {(r.user_id, r.track_id): r.why for r in rows if r.tier == "cold_start"}
    assert why["full", "n1"] == reasons.SOUNDS_LIKE + "Title"
    assert why["short", "n1"] == why["short", "n2"] == reasons.NEUTRAL_COLD_START


def test_a_reason_is_made_neutral_in_a_table_as_it_is_in_a_document(spark: SparkSession) -> None:
    name = "Army of Me by Björk"
    told = [begin + end for begin in (reasons.BECAUSE, reasons.SOUNDS_LIKE) for end in (name, "Joga", "Rock (80 %)")]
    told += [reasons.BECAUSE + name + "; Rock is 30 % of what you play", reasons.NEUTRAL, reasons.NEUTRAL_COLD_START, "popular"]
    why, names = F.col("why"), F.array(F.lit(name))
    rows = spark.createDataFrame([(one,) for one in told], "why string").select(
        "why", F.when(reasons.mentions(why, names), reasons.neutral(why)).otherwise(why).alias("then")
    )
    assert [row.then for row in rows.collect()] == [reasons.without_names(one, {name}) for one in told]
