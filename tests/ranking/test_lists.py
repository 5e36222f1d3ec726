"""Lists are filled: personal items first, then popular tracks, then unplayed ones."""

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.ranking.config import RankConfig
from jobs.ranking.fallback import build_fallback, fill, short_lists
from jobs.ranking.rank import append_cold_start, rank_fallback, rank_personal
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
    config = RankConfig(overall=4, per_genre=3)
    names = spark.createDataFrame([("t0", "Title")], "track_id string, name string")
    personal = rank_personal(candidates, names, config)
    members = list_rules.list_members(genres)
    users = spark.createDataFrame([("old", 0), ("new", 0)], "user_id string, n_seen long")
    limit = list_rules.list_limit(config.overall, config.per_genre)
    incomplete = list_rules.users_with_short_lists(users, members, list_rules.list_lengths(personal), limit)
    n_excluded = list_rules.excluded_per_list(history, members)
    required = list_rules.required_lengths(incomplete, members, n_excluded, limit)
    filled = fill(short_lists(required, personal), build_fallback(members, history, genres), history, personal)
    rows = personal.unionByName(rank_fallback(filled, genres)).orderBy("user_id", "list", "rank").collect()
    by_list: Lists = {}
    for row in rows:
        assert row["rank"] == len(by_list.setdefault((row["user_id"], row["list"]), [])) + 1
        assert row["why"]
        by_list[row["user_id"], row["list"]].append((row["track_id"], row["tier"]))
    return by_list


def test_short_lists_are_filled_with_unseen_tracks(spark: SparkSession, genres: DataFrame) -> None:
    ratings = [("old", "t0", 1.0), ("a", "t1", 2.0), ("b", "t1", 1.0), ("a", "t2", 1.0), ("old", "t3", 0.0)]
    scored = [("old", "Rock", "t2", "pmrs_cf", 0.4, 1.0, 1.0, "t0"), ("old", "overall", "t2", "pmrs_cf", 0.4, 1.0, 1.0, "t0")]
    filled = lists(spark, genres, spark.createDataFrame(ratings, HISTORY), spark.createDataFrame(scored, CANDIDATES))
    assert filled["old", "Rock"] == [("t2", "personal"), ("t1", "popular"), ("t5", "fallback_unplayed")]
    unplayed = [(name, "fallback_unplayed") for name in ("t5", "t4")]
    assert filled["old", "overall"] == [("t2", "personal"), ("t1", "popular"), *unplayed]
    assert filled["new", "Rock"] == [("t1", "popular"), ("t2", "popular"), ("t0", "popular")]
    assert len(filled["new", "overall"]) == 4


def test_list_ends_with_the_last_unseen_track(spark: SparkSession, genres: DataFrame) -> None:
    ratings = [("old", f"t{n}", 1.0) for n in range(5)]
    filled = lists(spark, genres, spark.createDataFrame(ratings, HISTORY), spark.createDataFrame([], CANDIDATES))
    assert filled["old", "Rock"] == [("t5", "fallback_unplayed")]
    assert filled["old", "overall"] == [("t5", "fallback_unplayed"), ("x", "fallback_unplayed")]


def test_only_users_with_a_short_list_are_returned(spark: SparkSession, genres: DataFrame) -> None:
    """Lists of two items: `full` has both, `short` lacks one of the overall list, and `new` has none."""
    members = list_rules.list_members(genres.where("track_id IN ('t0', 't1', 't2', 'x')"))
    limit = list_rules.list_limit(overall=2, per_genre=0)
    items = [("full", "overall", "t0"), ("full", "overall", "x"), ("short", "overall", "t0"), ("short", "Rock", "t1")]
    personal = spark.createDataFrame(items, "user_id string, list string, track_id string")
    users = spark.createDataFrame([("full",), ("short",), ("new",)], "user_id string")
    incomplete = list_rules.users_with_short_lists(users, members, list_rules.list_lengths(personal), limit).collect()
    assert sorted(row["user_id"] for row in incomplete) == ["new", "short"]
    few = members.where("track_id IN ('t0', 'x')")
    rock = list_rules.users_with_short_lists(users.where("user_id = 'full'"), few, list_rules.list_lengths(personal), F.lit(9))
    assert [row["user_id"] for row in rock.collect()] == ["full"]  # Rock lacks t0, the overall list nothing


def test_cold_start_tracks_end_the_overall_lists_only(spark: SparkSession) -> None:
    names = spark.createDataFrame([("t0", "Title")], "track_id string, name string")
    positions = [("full", name, n) for n in range(4) for name in ("overall", "Rock")] + [("short", "overall", 1)]
    scored = [(user, name, f"t{n}", "pmrs_cf", 1 - n / 10, 1 - n / 10, 1.0, "t9") for user, name, n in positions]
    personal = rank_personal(spark.createDataFrame(scored, CANDIDATES), names, RankConfig(overall=3, per_genre=2))
    new = [("full", "n1", 0.9, "t0"), ("short", "n1", 0.8, None), ("short", "n2", 0.9, "gone")]
    rows = append_cold_start(
        personal,
        spark.createDataFrame(new, "user_id string, track_id string, score double, reason_track_id string"),
        names,
        RankConfig(overall=3, per_genre=2),
    ).orderBy("user_id", "list", "rank").collect()  # fmt: skip
    by_list = {(r.user_id, r.list): [x.track_id for x in rows if (x.user_id, x.list) == (r.user_id, r.list)] for r in rows}
    assert by_list == {
        ("full", "overall"): ["t0", "t1", "n1"], ("full", "Rock"): ["t0", "t1"], ("short", "overall"): ["t1", "n2", "n1"],
    }  # fmt: skip
    assert [r.rank for r in rows] == [1, 2, 1, 2, 3, 1, 2, 3]
    why = {(r.user_id, r.track_id): r.why for r in rows if r.tier == "cold_start"}
    assert why["full", "n1"] == reasons.SOUNDS_LIKE + "Title"
    assert why["short", "n1"] == why["short", "n2"] == reasons.NEUTRAL_COLD_START


def test_neutral_reasons_are_equal_in_tables_and_documents(spark: SparkSession) -> None:
    name = "Army of Me by Björk"
    texts = [begin + end for begin in (reasons.BECAUSE, reasons.SOUNDS_LIKE) for end in (name, "Joga", "Rock (80 %)")]
    texts += [reasons.BECAUSE + name + "; Rock is 30 % of what you play", reasons.NEUTRAL, reasons.NEUTRAL_COLD_START, "popular"]
    why, names = F.col("why"), F.array(F.lit(name))
    rows = spark.createDataFrame([(one,) for one in texts], "why string").select(
        "why", F.when(reasons.mentions(why, names), reasons.neutral(why)).otherwise(why).alias("then")
    )
    assert [row.then for row in rows.collect()] == [reasons.without_names(one, {name}) for one in texts]
