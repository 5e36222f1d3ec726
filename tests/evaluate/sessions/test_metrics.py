"""Metrics of sessions equal the definitions in Spark, ties included."""

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs.evaluate import metrics as spark_metrics
from jobs.evaluate.sessions.metrics import METRICS, Truth, query_metrics
from models.data.sessions import PADDING, RankedItems
from tests.evaluate.literal import inputs_of, truth_of

N_QUERIES, N_ITEMS, DEPTH = 60, 40, 25


def random_lists(seed: int) -> tuple[RankedItems, Truth]:
    """Return lists with many equal scores, some of them short, and the items that follow."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N_ITEMS)[:DEPTH] for _ in range(N_QUERIES)])
    scores = -np.sort(-rng.integers(0, 8, items.shape).astype(np.float32), axis=1)
    short = np.arange(DEPTH) >= rng.integers(0, DEPTH + 12, N_QUERIES)[:, None]
    lists = RankedItems(np.where(short, PADDING, items), np.where(short, np.float32(-np.inf), scores))
    rest = [np.unique(rng.integers(0, N_ITEMS, rng.integers(1, 9))) for _ in range(N_QUERIES)]
    target = np.array([rng.choice(items) for items in rest])
    return lists, Truth(target, np.append(0, np.cumsum([items.size for items in rest])), np.concatenate(rest))


def in_spark(spark: SparkSession, lists: RankedItems, truth: dict[str, list[str]]) -> list[dict[str, float]]:
    rows = [
        (f"q{q:02}", rank + 1, f"i{item}", float(score))
        for q in range(N_QUERIES)
        for rank, (item, score) in enumerate(zip(lists.items[q], lists.scores[q], strict=True))
        if item != PADDING
    ]
    frame = spark.createDataFrame(rows, "query_id string, rank int, track_id string, score double")
    hits = spark_metrics.hit_ranks(frame, truth_of(spark, truth), inputs_of(spark, truth), DEPTH)
    return [row.asDict() for row in spark_metrics.add_metrics(hits, (5, 10, 20)).orderBy("query_id").collect()]


def test_metrics_equal_those_in_spark(spark: SparkSession) -> None:
    lists, truth = random_lists(1)
    ours = query_metrics(lists, truth, N_ITEMS, DEPTH)
    following = {f"q{q:02}": [f"i{truth.target[q]}"] for q in range(N_QUERIES)}
    rest = {f"q{q:02}": [f"i{i}" for i in truth.rest[truth.indptr[q] : truth.indptr[q + 1]]] for q in range(N_QUERIES)}
    by_name = {"HR": following, "MRR": following, "P": rest, "R": rest, "NDCG": rest, "MAP": rest}
    rows = {id(answers): in_spark(spark, lists, answers) for answers in (following, rest)}
    for column, metric in enumerate(METRICS):
        expected = [row[metric] for row in rows[id(by_name[metric.split("@")[0]])]]
        assert ours[:, column] == pytest.approx(expected), metric


def test_equal_scores_are_no_hit() -> None:
    items = np.arange(100)[None, :]
    truth = Truth(np.array([0]), np.array([0, 1]), np.array([0]))
    constant = query_metrics(RankedItems(items, np.ones((1, 100), np.float32)), truth, 200)
    assert constant.sum() == 0
    first = np.where(items == 0, np.float32(2), np.float32(1))
    assert query_metrics(RankedItems(items, first), truth, 200)[0, METRICS.index("HR@5")] == 1


def test_slices_of_truth_keep_their_items() -> None:
    lists, truth = random_lists(2)
    parts = [
        query_metrics(RankedItems(lists.items[rows], lists.scores[rows]), truth[rows], N_ITEMS, DEPTH)
        for rows in (slice(0, 7), slice(7, 60))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), query_metrics(lists, truth, N_ITEMS, DEPTH))
