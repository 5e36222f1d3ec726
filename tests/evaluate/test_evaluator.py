"""Models compared on synthetic users with two tastes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.errors import EvaluationError
from jobs.evaluate import beyond_accuracy
from jobs.evaluate.confidence import confidence_scores
from jobs.evaluate.evaluator import Evaluator, Metadata
from jobs.evaluate.interactions import Interactions
from jobs.evaluate.model_specs import ModelSpec, select_models
from jobs.evaluate.published_results import published_results_for
from jobs.evaluate.result import Result, add_differences
from jobs.evaluate.splits import PerUserRandom, Split, Task
from jobs.recommenders.methods import METHODS
from jobs.recommenders.training_data import TrainingData
from models.protocol import CatalogTooLargeError, Recommender
from tests.evaluate.literal import inputs_of, ranked_lists, truth_of

USERS, TRACKS = 60, 24


def plays(user: int, track: int) -> bool:
    """Return whether the user plays the track: ten of the twelve tracks whose parity is the user's."""
    return user % 2 == track % 2 and (track // 2 - user) % 12 >= 2


@pytest.fixture(scope="module")
def metadata(spark: SparkSession) -> Metadata:
    rows = [(f"t{n:02d}", f"artist {n // 4}", f"taste {n % 2}", [1.0 - n % 2, float(n % 2)]) for n in range(TRACKS)]
    tracks = spark.createDataFrame([(*row[:2], None) for row in rows], "track_id string, artist string, title string")
    genres = spark.createDataFrame(
        [(r[0], r[2], r[3]) for r in rows], "track_id string, genre string, probabilities array<double>"
    )
    profiles = [
        (f"u{n:02d}", 20 + 20 * (n % 2), None, "IS" if n == 1 else "DE" if n % 3 else "FR") for n in range(USERS)
    ]
    users = spark.createDataFrame(profiles, "user_id string, age int, gender string, country string")
    return Metadata(tracks, genres, ("taste 0", "taste 1"), users)


@pytest.fixture(scope="module")
def split(spark: SparkSession) -> Split:
    rows = [(f"u{u:02d}", f"t{t:02d}", 1.0) for u in range(USERS) for t in range(TRACKS) if plays(u, t)]
    history = spark.createDataFrame(rows, "user_id string, track_id string, rating double")
    return PerUserRandom().split(Interactions(history.limit(0), history))


@pytest.fixture(scope="module")
def evaluator(split: Split, metadata: Metadata, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    return Evaluator(split, metadata, tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def evaluated(evaluator: Evaluator) -> dict[str, tuple[Result, DataFrame]]:
    results = {}
    specs = select_models(["popularity", "item_knn", "ease"])
    small_grids = [replace(spec, grid=spec.grid[: 1 + (spec.name == "item_knn")]) for spec in specs]
    for model in evaluator.evaluate_models(small_grids):
        results[model.results[0].model] = model.results[0], model.evaluated
    for baseline in ("popularity", "ease"):
        add_differences([result for result, _ in results.values()], baseline)
    return results


def test_personal_models_beat_popularity_significantly(evaluated: dict[str, tuple[Result, DataFrame]]) -> None:
    for name in ("item_knn", "ease"):
        delta = evaluated[name][0].baselines["popularity"]
        assert delta.significant
        assert delta.mean > 0.1
    assert set(evaluated["popularity"][0].baselines) == {"ease"}


def test_difference_from_a_baseline_is_antisymmetric(
    evaluated: dict[str, tuple[Result, DataFrame]],
) -> None:
    ease, popularity = evaluated["ease"][0].baselines["popularity"], evaluated["popularity"][0].baselines["ease"]
    assert (ease.mean, ease.low, ease.high) == pytest.approx((-popularity.mean, -popularity.high, -popularity.low))
    assert set(evaluated["item_knn"][0].baselines) == {"popularity", "ease"}


def test_query_rows_reproduce_the_mean_metrics(evaluated: dict[str, tuple[Result, DataFrame]]) -> None:
    result, rows = evaluated["ease"]
    query_rows = rows.collect()
    assert (len(query_rows), result.queries, result.users) == (USERS, USERS, USERS)
    hits = [any(rank <= 10 for rank in row["hit_ranks"]) for row in query_rows]
    assert result.metrics["HR@10"].mean == pytest.approx(np.mean(hits))


def test_segments_have_user_counts_and_drop_small_groups(evaluated: dict[str, tuple[Result, DataFrame]]) -> None:
    segments = {(p["by"], p["segment"]): p for p in evaluated["ease"][0].segments if "relevant" not in p}
    assert segments["age", "18-24"]["users"] == 30
    assert segments["country", "FR"]["users"] == 20
    assert segments["tracks known", "5-9"]["users"] == USERS
    assert ("country", "IS") not in segments  # one user: too few
    genres = {p["segment"]: p["relevant"] for p in evaluated["ease"][0].segments if p["by"] == "genre"}
    assert genres == {"taste 0": USERS, "taste 1": USERS}


def test_external_rankings_of_the_truth_score_one(spark: SparkSession, evaluator: Evaluator) -> None:
    relevant = {row["query_id"]: [row["track_id"]] for row in evaluator.split.tasks[0].truth.collect()}
    result, _ = evaluator.evaluate_rankings("oracle", ranked_lists(spark, relevant).drop("score"), "discovery")
    assert result.metrics["MRR@10"].mean == 1.0


def test_invalid_external_rankings_raise(spark: SparkSession, evaluator: Evaluator) -> None:
    seen = evaluator.split.train.limit(1).collect()[0]
    masked = ranked_lists(spark, {seen["user_id"]: [seen["track_id"]]})
    cases = {
        "1 ranks have tracks that the user has seen": masked,
        "query u00 has a track twice": ranked_lists(spark, {"u00": ["t01", "t01"]}),
        "query u00 does not have the ranks": ranked_lists(spark, {"u00": ["t01", "t03"]}).withColumn("rank", F.lit(1)),
        "query u00 has a score above": ranked_lists(spark, {"u00": ["t01", "t03"]}).withColumn("score", -F.col("score")),
        "query u00 does not have the ranks 1, 2": ranked_lists(spark, {"u00": ["t01"]}).withColumn("rank", F.lit("first")),
        "has none of its query_ids": ranked_lists(spark, {"somebody": ["t01"]}),
    }
    for message, lists in cases.items():
        with pytest.raises(EvaluationError, match=message):
            evaluator.evaluate_rankings("given", lists, "discovery")


def test_metrics_average_over_users_not_queries(spark: SparkSession, evaluator: Evaluator, metadata: Metadata) -> None:
    """Three relevant answers for one user and a wrong one for another: half of the users, three quarters of the queries."""
    inputs = [(f"q{n}", "often" if n < 3 else "once", "t00", 1.0) for n in range(4)]
    frame = spark.createDataFrame(inputs, "query_id string, user_id string, track_id string, rating double")
    task = Task("next track", "", frame, truth_of(spark, {f"q{n}": ["t02"] for n in range(4)}), "all")
    lists = ranked_lists(spark, {f"q{n}": ["t02"] if n < 3 else ["t04"] for n in range(4)})
    single_task = replace(evaluator, split=replace(evaluator.split, tasks=(task,)))
    result, _ = single_task.evaluate_rankings("given", lists, "next track")
    assert (result.queries, result.users, result.metrics["HR@10"].mean) == (4, 2, 0.5)


def test_model_that_refuses_large_data_is_left_out_with_its_reason(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(training_data: TrainingData, config: object, seed: int) -> Recommender:
        raise CatalogTooLargeError("too many tracks")

    fresh = replace(evaluator, left_out={})
    monkeypatch.setitem(METHODS, "small", replace(METHODS["popularity"], fit=refuse))
    small, popularity = ModelSpec("small", (None,)), *select_models(["popularity"])
    models = list(fresh.evaluate_models([small, popularity], tune=False))
    assert [model.results[0].model for model in models] == ["popularity"]
    assert fresh.left_out == {"small": "too many tracks"}


def test_stored_metrics_of_another_protocol_are_ignored(
    evaluator: Evaluator, evaluated: dict[str, tuple[Result, DataFrame]]
) -> None:
    result, rows = evaluated["popularity"]
    stored = evaluator.stored_metrics(rows, "popularity")
    np.testing.assert_allclose(stored["discovery"], result.per_user)
    assert not evaluator.stored_metrics(rows.withColumn("protocol", F.lit("another")), "popularity")


def test_published_results_are_comparable_only_on_equal_data_and_split() -> None:
    (equal_data,) = {c["comparable"] for c in published_results_for("ease", "users", 471_355, 41_140)}
    assert equal_data == "yes"
    (other_data,) = {c["comparable"] for c in published_results_for("ease", "users", 600_000, 41_140)}
    assert other_data.startswith("no: other data")


def test_unknown_task_raises_with_the_available_ones(spark: SparkSession, evaluator: Evaluator) -> None:
    with pytest.raises(EvaluationError, match="no task 'next track'; available are discovery"):
        evaluator.evaluate_rankings("given", ranked_lists(spark, {}), "next track")


def test_exposure_equals_hand_computed_coverage_and_gini(spark: SparkSession) -> None:
    catalogue = spark.createDataFrame([(t,) for t in "abcd"], "track_id string")
    even = beyond_accuracy.exposure(ranked_lists(spark, {"u": ["a", "b"], "v": ["c", "d"]}), catalogue, 20)
    single = beyond_accuracy.exposure(ranked_lists(spark, {"u": ["a"], "v": ["a"]}), catalogue, 20)
    assert even == pytest.approx({"coverage": 1.0, "gini": 0.0})
    assert single == pytest.approx({"coverage": 0.25, "gini": 0.75})


def test_per_query_equals_hand_computed_novelty_lift_and_repetition(spark: SparkSession) -> None:
    train = spark.createDataFrame([(u, "a") for u in "wxyz"] + [("w", "b")], "user_id string, track_id string")
    tracks = spark.createDataFrame([("a", "A"), ("b", "B"), ("c", "B")], "track_id string, artist string")
    inputs = inputs_of(spark, {"q": []}).drop("track_id").selectExpr("*", "'a' AS track_id")
    popularity = beyond_accuracy.build_popularity(train, tracks)
    (row,) = beyond_accuracy.per_query(ranked_lists(spark, {"q": ["a", "b", "c"]}), inputs, popularity, 4, 20).collect()
    assert row["novelty"] == pytest.approx((0 + 2 + 2) / 3)  # four of four users, one, and one assumed for none
    assert row["popularity_lift"] == pytest.approx((4 + 1 + 0) / 3 / 4 - 1)
    assert row["artist_repetition"] == pytest.approx(1 / 3)


def test_diversity_is_one_minus_the_mean_cosine_of_pairs(spark: SparkSession) -> None:
    ratings = csr_array(np.array([[1, 3, 0], [2, 0, 0], [0, 0, 1]], dtype=np.float32))
    training_data = TrainingData(spark.range(0), ("a", "b", "c"), ratings, ratings, np.zeros((3, 1), dtype=np.float32))
    diversity = beyond_accuracy.diversity(
        ranked_lists(spark, {"q": ["a", "b", "c"], "r": ["a", "b", "unknown"]}), training_data, 20
    )
    first, second = 1 - (1 / math.sqrt(2) + 0 + 0) / 3, 1 - 1 / math.sqrt(2)
    assert diversity == pytest.approx((first + second) / 2)
    assert math.isnan(beyond_accuracy.diversity(ranked_lists(spark, {"q": ["a"]}), training_data, 20))


def test_confidence_is_the_share_of_best_rated_tracks_in_the_first_ranks(spark: SparkSession) -> None:
    genres = spark.createDataFrame(
        [("a", "Rock"), ("b", "Rock"), ("c", "Trance"), ("d", "Rock")], "track_id string, genre string"
    )
    lists = ranked_lists(spark, {"q": ["x", "d", "a", "c"]})
    rows = confidence_scores(lists, truth_of(spark, {"q": ["a", "b", "c"]}), genres, 2).collect()
    assert [(r["genre"], r["confidence"]) for r in rows] == [("Rock", 0.5), ("Trance", 1.0)]
