import numpy as np
import pytest
import pytrec_eval
from pyspark.sql import SparkSession

from jobs.evaluate import metrics
from tests.evaluate.literal import inputs_of, ranked_lists, truth_of


def metrics_of(
    spark: SparkSession, lists: dict[str, list[str]], truth: dict[str, list[str]], depth: int = 100
) -> dict[str, dict[str, float]]:
    hits = metrics.hit_ranks(ranked_lists(spark, lists), truth_of(spark, truth), inputs_of(spark, truth), depth)
    return {row["query_id"]: row.asDict() for row in metrics.add_metrics(hits).collect()}


def test_metrics_equal_hand_computed_values(spark: SparkSession) -> None:
    # relevant: a, c, z; the list has a at 2 and c at 4
    (row,) = metrics_of(spark, {"u": ["x", "a", "y", "c"]}, {"u": ["a", "c", "z"]}).values()
    dcg, ideal = 1 / np.log2(3) + 1 / np.log2(5), 1 + 1 / np.log2(3) + 1 / np.log2(4)
    expected = {
        "P@10": 0.2, "R@10": 2 / 3, "R_liang@10": 2 / 3, "HR@10": 1.0, "F1@10": 2 * 0.2 * (2 / 3) / (0.2 + 2 / 3),
        "NDCG@10": dcg / ideal, "MRR@10": 0.5, "MAP@10": (1 / 2 + 2 / 4) / 3, "AP": (1 / 2 + 2 / 4) / 3,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_liang_recall_divides_by_the_list_length(spark: SparkSession) -> None:
    relevant = [f"t{n}" for n in range(40)]
    (row,) = metrics_of(spark, {"u": relevant[:10]}, {"u": relevant}).values()
    assert (row["R@10"], row["R_liang@10"], row["NDCG@10"], row["MAP@10"]) == pytest.approx((0.25, 1.0, 1.0, 1.0))


def test_query_without_list_or_hit_scores_zero(spark: SparkSession) -> None:
    by_query = metrics_of(spark, {"hit": ["a"], "miss": ["b"]}, {"hit": ["a"], "miss": ["a"], "no list": ["a"]})
    assert {query: row["NDCG@10"] for query, row in by_query.items()} == {"hit": 1.0, "miss": 0.0, "no list": 0.0}


def test_ties_count_against_the_model(spark: SparkSession) -> None:
    scored = [("u", 1, "a", 1.0), ("u", 2, "b", 1.0), ("u", 3, "c", 0.5)]
    lists = spark.createDataFrame(scored, "query_id string, rank int, track_id string, score double")
    rows = metrics.hit_ranks(lists, truth_of(spark, {"u": ["a"]}), inputs_of(spark, {"u": ["a"]})).collect()
    assert rows[0]["hit_ranks"] == [2]


def test_ties_at_the_end_of_a_full_list_are_no_hits(spark: SparkSession) -> None:
    scored = [("u", 1, "x", 1.0), ("u", 2, "b", 0.5), ("u", 3, "c", 0.5)]
    lists = spark.createDataFrame(scored, "query_id string, rank int, track_id string, score double")
    truth, inputs = truth_of(spark, {"u": ["b"]}), inputs_of(spark, {"u": ["b"]})
    assert metrics.hit_ranks(lists, truth, inputs, depth=3).collect()[0]["hit_ranks"] == []
    assert metrics.hit_ranks(lists, truth, inputs, depth=4).collect()[0]["hit_ranks"] == [3]


@pytest.fixture(scope="module")
def random_rankings(
    spark: SparkSession,
) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, dict[str, float]]]:
    rng = np.random.default_rng(5)
    catalogue = [f"t{n:03d}" for n in range(200)]
    lists = {f"q{n:02d}": [str(t) for t in rng.permutation(catalogue)[:100]] for n in range(40)}
    truth = {query: [str(t) for t in rng.permutation(catalogue)[: rng.integers(1, 40)]] for query in lists}
    return lists, truth, metrics_of(spark, lists, truth)


def test_metrics_match_trec_eval(
    random_rankings: tuple[dict[str, list[str]], dict[str, list[str]], dict[str, dict[str, float]]],
) -> None:
    lists, truth, ours = random_rankings
    measures = {"P", "recall", "ndcg_cut", "map_cut", "map", "recip_rank", "success"}
    evaluator = pytrec_eval.RelevanceEvaluator({q: dict.fromkeys(ts, 1) for q, ts in truth.items()}, measures)
    runs = {q: {t: float(-index) for index, t in enumerate(ts)} for q, ts in lists.items()}
    for query, expected in evaluator.evaluate(runs).items():
        values, n_relevant = ours[query], len(truth[query])
        for cut in (10, 20, 100):
            assert values[f"P@{cut}"] == pytest.approx(expected[f"P_{cut}"], abs=1e-9)
            assert values[f"R@{cut}"] == pytest.approx(expected[f"recall_{cut}"], abs=1e-9)
            assert values[f"NDCG@{cut}"] == pytest.approx(expected[f"ndcg_cut_{cut}"], abs=1e-9)
            # trec_eval divides by all relevant tracks, we by those that fit into the list
            assert values[f"MAP@{cut}"] == pytest.approx(
                expected[f"map_cut_{cut}"] * n_relevant / min(n_relevant, cut), abs=1e-9
            )
        assert values["HR@10"] == expected["success_10"]
        assert values["MRR@100"] == pytest.approx(expected["recip_rank"], abs=1e-9)
        assert values["AP"] == pytest.approx(expected["map"], abs=1e-9)


def test_metrics_of_random_rankings_fulfil_their_inequalities(
    random_rankings: tuple[dict[str, list[str]], dict[str, list[str]], dict[str, dict[str, float]]],
) -> None:
    for row in random_rankings[2].values():
        for cut in metrics.CUTOFFS:
            p, r, hit = row[f"P@{cut}"], row[f"R@{cut}"], row[f"HR@{cut}"]
            assert p <= hit
            assert r <= hit
            assert r <= row[f"R_liang@{cut}"] <= 1
            assert 0 <= row[f"MAP@{cut}"] <= row[f"NDCG@{cut}"] <= 1
            assert row[f"F1@{cut}"] == pytest.approx(2 * p * r / (p + r) if hit else 0.0)
