"""Models compared on literal listeners: two tastes, and one track that everybody knows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.errors import EvaluationError
from jobs.evaluate import beyond
from jobs.evaluate.claims import beside
from jobs.evaluate.confidence import confidence_scores
from jobs.evaluate.contenders import Contender, named
from jobs.evaluate.evaluate import Evaluation, Facts
from jobs.evaluate.listening import Listening
from jobs.evaluate.result import Result, compare
from jobs.evaluate.splits import PerUserRandom, Split, Task
from jobs.recommenders.methods import METHODS
from jobs.recommenders.training_data import Learned
from models.top_n import Recommender, TooLarge
from tests.evaluate.literal import asked_of, lists_date, truth_of

USERS, TRACKS = 60, 24


def hears(user: int, track: int) -> bool:
    """Users hear ten of the twelve tracks of their taste, which is the parity of their number."""
    return user % 2 == track % 2 and (track // 2 - user) % 12 >= 2


@pytest.fixture(scope="module")
def facts(spark: SparkSession) -> Facts:
    rows = [(f"t{n:02d}", f"artist {n // 4}", f"taste {n % 2}", [1.0 - n % 2, float(n % 2)]) for n in range(TRACKS)]
    tracks = spark.createDataFrame([(*row[:2], None) for row in rows], "track_id string, artist string, title string")
    genres = spark.createDataFrame(
        [(r[0], r[2], r[3]) for r in rows], "track_id string, genre string, probabilities array<double>"
    )
    profiles = [
        (f"u{n:02d}", 20 + 20 * (n % 2), None, "IS" if n == 1 else "DE" if n % 3 else "FR") for n in range(USERS)
    ]
    users = spark.createDataFrame(profiles, "user_id string, age int, gender string, country string")
    return Facts(tracks, genres, ("taste 0", "taste 1"), users)


@pytest.fixture(scope="module")
def split(spark: SparkSession) -> Split:
    rows = [(f"u{u:02d}", f"t{t:02d}", 1.0) for u in range(USERS) for t in range(TRACKS) if hears(u, t)]
    history = spark.createDataFrame(rows, "user_id string, track_id string, rating double")
    return PerUserRandom().split(Listening(history.limit(0), history))


@pytest.fixture(scope="module")
def evaluation(split: Split, facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return Evaluation(split, facts, tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def found(evaluation: Evaluation) -> dict[str, tuple[Result, DataFrame]]:
    results = {}
    few = [replace(one, grid=one.grid[: 1 + (one.name == "item_knn")]) for one in named(["popularity", "item_knn", "ease"])]
    for asked in evaluation.of_models(few):
        results[asked.results[0].model] = asked.results[0], asked.evaluated
    for reference in ("popularity", "ease"):
        compare([result for result, _ in results.values()], reference)
    return results


def test_who_knows_the_tastes_beats_popularity_significantly(found: dict[str, tuple[Result, DataFrame]]) -> None:
    for name in ("item_knn", "ease"):
        gap = found[name][0].against["popularity"]
        assert gap.significant
        assert gap.mean > 0.1
    assert set(found["popularity"][0].against) == {"ease"}


def test_the_difference_from_any_model_is_told_and_is_the_other_way_round_for_the_other(
    found: dict[str, tuple[Result, DataFrame]],
) -> None:
    ours, theirs = found["ease"][0].against["popularity"], found["popularity"][0].against["ease"]
    assert (ours.mean, ours.low, ours.high) == pytest.approx((-theirs.mean, -theirs.high, -theirs.low))
    assert set(found["item_knn"][0].against) == {"popularity", "ease"}


def test_every_query_is_kept_and_gives_the_means_again(found: dict[str, tuple[Result, DataFrame]]) -> None:
    result, rows = found["ease"]
    kept = rows.collect()
    assert (len(kept), result.queries, result.users) == (USERS, USERS, USERS)
    hits = [any(place <= 10 for place in row["places"]) for row in kept]
    assert result.metrics["HR@10"].mean == pytest.approx(np.mean(hits))


def test_parts_of_the_users_are_told_with_their_numbers(found: dict[str, tuple[Result, DataFrame]]) -> None:
    parts = {(p["by"], p["segment"]): p for p in found["ease"][0].segments if "relevant" not in p}
    assert parts["age", "18-24"]["users"] == 30
    assert parts["country", "FR"]["users"] == 20
    assert parts["tracks known", "5-9"]["users"] == USERS
    assert ("country", "IS") not in parts  # one user: too few to be told
    genres = {p["segment"]: p["relevant"] for p in found["ease"][0].segments if p["by"] == "genre"}
    assert genres == {"taste 0": USERS, "taste 1": USERS}


def test_lists_made_elsewhere_are_scored_alike(spark: SparkSession, evaluation: Evaluation) -> None:
    right = {row["query_id"]: [row["track_id"]] for row in evaluation.split.tasks[0].truth.collect()}
    result, _ = evaluation.of_lists("oracle", lists_date(spark, right).drop("score"), "discovery")
    assert result.metrics["MRR@10"].mean == 1.0


def test_lists_that_would_flatter_are_refused(spark: SparkSession, evaluation: Evaluation) -> None:
    heard = evaluation.split.train.limit(1).collect()[0]
    known = lists_date(spark, {heard["user_id"]: [heard["track_id"]]})
    cases = {
        "1 places hold tracks that the asker has heard": known,
        "query u00 has a track twice": lists_date(spark, {"u00": ["t01", "t01"]}),
        "query u00 does not have the ranks": lists_date(spark, {"u00": ["t01", "t03"]}).withColumn("rank", F.lit(1)),
        "query u00 has a score above": lists_date(spark, {"u00": ["t01", "t03"]}).withColumn("score", -F.col("score")),
        "query u00 does not have the ranks 1, 2": lists_date(spark, {"u00": ["t01"]}).withColumn("rank", F.lit("first")),
        "asks none of its query_ids": lists_date(spark, {"somebody": ["t01"]}),
    }
    for said, lists in cases.items():
        with pytest.raises(EvaluationError, match=said):
            evaluation.of_lists("given", lists, "discovery")


def test_a_user_counts_once_however_many_queries_it_has(
    spark: SparkSession, evaluation: Evaluation, facts: Facts
) -> None:
    """Three right answers for one user and a wrong one for another: half of the users, three quarters of the queries."""
    asked = [(f"q{n}", "often" if n < 3 else "once", "t00", 1.0) for n in range(4)]
    frame = spark.createDataFrame(asked, "query_id string, user_id string, track_id string, rating double")
    task = Task("next track", "", frame, truth_of(spark, {f"q{n}": ["t02"] for n in range(4)}), "all")
    lists = lists_date(spark, {f"q{n}": ["t02"] if n < 3 else ["t04"] for n in range(4)})
    part = replace(evaluation, split=replace(evaluation.split, tasks=(task,)))
    result, _ = part.of_lists("given", lists, "next track")
    assert (result.queries, result.users, result.metrics["HR@10"].mean) == (4, 2, 0.5)


def test_a_model_too_small_for_the_data_is_left_out_and_said_so(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(learned: Learned, config: object, seed: int) -> Recommender:
        raise TooLarge("too many tracks")

    fresh = replace(evaluation, left_out={})
    monkeypatch.setitem(METHODS, "small", replace(METHODS["popularity"], fit=refuse))
    small, popularity = Contender("small", (None,)), *named(["popularity"])
    found = list(fresh.of_models([small, popularity], tune=False))
    assert [asked.results[0].model for asked in found] == ["popularity"]
    assert fresh.left_out == {"small": "too many tracks"}


def test_what_is_kept_of_another_protocol_is_not_compared_with(
    evaluation: Evaluation, found: dict[str, tuple[Result, DataFrame]]
) -> None:
    result, rows = found["popularity"]
    stored = evaluation.of_stored(rows, "popularity")
    np.testing.assert_allclose(stored["discovery"], result.per_user)
    assert not evaluation.of_stored(rows.withColumn("protocol", F.lit("another")), "popularity")


def test_a_claim_compares_only_with_the_very_data_and_split() -> None:
    (same,) = {c["comparable"] for c in beside("ease", "users", 471_355, 41_140)}
    assert same == "yes"
    (other,) = {c["comparable"] for c in beside("ease", "users", 600_000, 41_140)}
    assert other.startswith("no: other data")


def test_an_unknown_task_names_those_there_are(spark: SparkSession, evaluation: Evaluation) -> None:
    with pytest.raises(EvaluationError, match="no task 'next track'; it has discovery"):
        evaluation.of_lists("given", lists_date(spark, {}), "next track")


def test_coverage_and_gini_of_lists_worked_out_by_hand(spark: SparkSession) -> None:
    catalogue = spark.createDataFrame([(t,) for t in "abcd"], "track_id string")
    alike = beyond.exposure(lists_date(spark, {"u": ["a", "b"], "v": ["c", "d"]}), catalogue, 20)
    one = beyond.exposure(lists_date(spark, {"u": ["a"], "v": ["a"]}), catalogue, 20)
    assert alike == pytest.approx({"coverage": 1.0, "gini": 0.0})
    assert one == pytest.approx({"coverage": 0.25, "gini": 0.75})


def test_novelty_lift_and_repetition_worked_out_by_hand(spark: SparkSession) -> None:
    train = spark.createDataFrame([(u, "a") for u in "wxyz"] + [("w", "b")], "user_id string, track_id string")
    tracks = spark.createDataFrame([("a", "A"), ("b", "B"), ("c", "B")], "track_id string, artist string")
    asked = asked_of(spark, {"q": []}).drop("track_id").selectExpr("*", "'a' AS track_id")
    (row,) = beyond.per_query(lists_date(spark, {"q": ["a", "b", "c"]}), asked, train, tracks, 20).collect()
    assert row["novelty"] == pytest.approx((0 + 2 + 2) / 3)  # four of four users, one, and one assumed for none
    assert row["popularity_lift"] == pytest.approx((4 + 1 + 0) / 3 / 4 - 1)
    assert row["artist_repetition"] == pytest.approx(1 / 3)


def test_diversity_is_one_less_the_mean_cosine_of_pairs(spark: SparkSession) -> None:
    ratings = csr_array(np.array([[1, 3, 0], [2, 0, 0], [0, 0, 1]], dtype=np.float32))
    learned = Learned(spark.range(0), ("a", "b", "c"), ratings, ratings, np.zeros((3, 1), dtype=np.float32))
    found = beyond.diversity(lists_date(spark, {"q": ["a", "b", "c"], "r": ["a", "b", "unknown"]}), learned, 20)
    one, other = 1 - (1 / math.sqrt(2) + 0 + 0) / 3, 1 - 1 / math.sqrt(2)
    assert found == pytest.approx((one + other) / 2)
    assert math.isnan(beyond.diversity(lists_date(spark, {"q": ["a"]}), learned, 20))


def test_confidence_is_the_share_of_a_genres_best_rated_that_its_best_places_hold(spark: SparkSession) -> None:
    genres = spark.createDataFrame(
        [("a", "Rock"), ("b", "Rock"), ("c", "Trance"), ("d", "Rock")], "track_id string, genre string"
    )
    lists = lists_date(spark, {"q": ["x", "d", "a", "c"]})
    found = confidence_scores(lists, truth_of(spark, {"q": ["a", "b", "c"]}), genres, 2).collect()
    assert [(r["genre"], r["confidence"]) for r in found] == [("Rock", 0.5), ("Trance", 1.0)]
