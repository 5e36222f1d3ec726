"""Labelled pairs on literal rows: predictions use earlier rows only."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from scipy.special import expit, logit

from jobs.errors import EvaluationError
from jobs.evaluate.pairs import PairsConfig, build_rows, predict_rates, split_pairs
from jobs.progress import ignore_progress

SHAPE = "user_id string, track_id string, target int, row_order bigint"


def pairs(spark: SparkSession, flip_late: bool = False) -> DataFrame:
    """Return 200 rows: users come back to tracks of their own parity; `flip_late` inverts the last 40."""
    rows = []
    for row in range(200):
        user, track = row % 20, (row * 7 + row // 20) % 15
        target = int(user % 2 == track % 2) ^ int(flip_late and row >= 160)
        rows.append((f"u{user}", f"t{track}", target, row + 1))
    return spark.createDataFrame(rows, SHAPE)


def test_last_rows_are_test_data_and_not_training_data(spark: SparkSession) -> None:
    train, test = split_pairs(pairs(spark), 0.2)
    assert (train.count(), test.count()) == (160, 40)
    assert train.agg({"row_order": "max"}).collect()[0][0] < test.agg({"row_order": "min"}).collect()[0][0]
    config = PairsConfig(methods=("item_knn",))
    straight = {row["model"]: row for row in build_rows(pairs(spark), config, {}, ignore_progress)}
    flipped = {row["model"]: row for row in build_rows(pairs(spark, flip_late=True), config, {}, ignore_progress)}
    assert straight["item_knn"]["AUC"]["mean"] > 0.9, "who shares a taste comes back to the same"
    assert flipped["item_knn"]["AUC"]["mean"] == pytest.approx(1 - straight["item_knn"]["AUC"]["mean"])
    assert straight["overall_rate"]["AUC"]["mean"] == 0.5, "one number for all pairs orders nothing"
    assert "errors" not in straight["item_knn"], "scores are no probabilities"
    assert straight["rates"]["errors"]["rmse"] >= straight["rates"]["errors"]["mae"]
    assert (
        straight["item_knn"]["AUC"]["low"] <= straight["item_knn"]["AUC"]["mean"] <= straight["item_knn"]["AUC"]["high"]
    )


def test_rates_of_user_and_track_add_in_log_odds() -> None:
    train = pa.table({"user_id": ["a", "a", "b", "b"], "track_id": ["x", "y", "x", "y"], "target": [1, 1, 1, 0]})
    test = pa.table({"user_id": ["a", "b", "new"], "track_id": ["y", "new", "new"], "target": [1, 0, 1]})
    overall, combined = predict_rates(train, test, shrinkage=2.0)
    np.testing.assert_allclose(overall, 0.75)
    user, track = (2 + 2 * 0.75) / 4, (1 + 2 * 0.75) / 4
    assert combined[0] == pytest.approx(expit(logit(user) + logit(track) - logit(0.75)))
    assert combined[1] == pytest.approx((1 + 2 * 0.75) / 4), "a new track says nothing"
    assert combined[2] == pytest.approx(0.75)


def test_no_pairs_raise_with_the_required_format(spark: SparkSession) -> None:
    with pytest.raises(EvaluationError, match="kkbox_train"):
        list(build_rows(spark.createDataFrame([], SHAPE), PairsConfig(), {}, ignore_progress))
