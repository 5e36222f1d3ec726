"""Labelled pairs on literal rows: who comes back to what, foretold from earlier rows alone."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from scipy.special import expit, logit

from jobs.errors import EvaluationError
from jobs.evaluate.pairs import Config, build, divide, rates

SHAPE = "user_id string, track_id string, target int, row_order bigint"


def pairs(spark: SparkSession, flip_late: bool = False) -> DataFrame:
    """Two hundred rows: even users come back to even tracks, odd ones to odd tracks; at the end the other way round, if wanted."""
    rows = []
    for place in range(200):
        user, track = place % 20, (place * 7 + place // 20) % 15
        target = int(user % 2 == track % 2) ^ int(flip_late and place >= 160)
        rows.append((f"u{user}", f"t{track}", target, place + 1))
    return spark.createDataFrame(rows, SHAPE)


def test_the_last_rows_are_asked_and_nothing_of_them_is_learned(spark: SparkSession) -> None:
    before, after = divide(pairs(spark), 0.2)
    assert (before.count(), after.count()) == (160, 40)
    assert before.agg({"row_order": "max"}).collect()[0][0] < after.agg({"row_order": "min"}).collect()[0][0]
    config = Config(methods=("item_knn",))
    straight = {row["model"]: row for row in build(pairs(spark), config, {})}
    flipped = {row["model"]: row for row in build(pairs(spark, flip_late=True), config, {})}
    assert straight["item_knn"]["AUC"]["mean"] > 0.9, "who shares a taste comes back to the same"
    assert flipped["item_knn"]["AUC"]["mean"] == pytest.approx(1 - straight["item_knn"]["AUC"]["mean"])
    assert straight["overall_rate"]["AUC"]["mean"] == 0.5, "one number for all pairs orders nothing"
    assert "errors" not in straight["item_knn"], "scores are no probabilities"
    assert straight["rates"]["errors"]["rmse"] >= straight["rates"]["errors"]["mae"]
    assert straight["item_knn"]["AUC"]["low"] <= straight["item_knn"]["AUC"]["mean"] <= straight["item_knn"]["AUC"]["high"]


def test_rates_of_user_and_track_add_up_in_log_odds() -> None:
    train = pa.table({"user_id": ["a", "a", "b", "b"], "track_id": ["x", "y", "x", "y"], "target": [1, 1, 1, 0]})
    asked = pa.table({"user_id": ["a", "b", "new"], "track_id": ["y", "new", "new"], "target": [1, 0, 1]})
    same, mixed = rates(train, asked, shrinkage=2.0)
    np.testing.assert_allclose(same, 0.75)
    user, track = (2 + 2 * 0.75) / 4, (1 + 2 * 0.75) / 4
    assert mixed[0] == pytest.approx(expit(logit(user) + logit(track) - logit(0.75)))
    assert mixed[1] == pytest.approx((1 + 2 * 0.75) / 4), "a new track says nothing"
    assert mixed[2] == pytest.approx(0.75)


def test_without_pairs_it_is_said_where_they_come_from(spark: SparkSession) -> None:
    with pytest.raises(EvaluationError, match="kkbox_train"):
        list(build(spark.createDataFrame([], SHAPE), Config(), {}))
