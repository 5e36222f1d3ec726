import math

import numpy as np
import pytest

from jobs.evaluate.pointwise import average_precision, prediction_errors, roc_auc
from models.types import F64


def test_prediction_errors_are_means_over_the_pairs() -> None:
    # errors 1, -2, 0 and 3
    errors = prediction_errors(np.array([1.0, 4.0, 3.0, 0.0]), np.array([2.0, 2.0, 3.0, 3.0]))
    assert errors.mse == pytest.approx(14 / 4)
    assert errors.rmse == pytest.approx(1.870828693)
    assert errors.mae == pytest.approx(6 / 4)
    assert errors.mape == pytest.approx((1 + 0.5 + 0) / 3)
    assert errors.left_out == 1
    # squares of ln(3/2), ln(3/5), ln(1) and ln(4)
    assert errors.msle == pytest.approx((0.164401953 + 0.260942823 + 0 + 1.921812056) / 4)


def test_msle_is_undefined_at_minus_one_and_below() -> None:
    assert math.isnan(prediction_errors(np.array([1.0, 2.0]), np.array([1.0, -1.0])).msle)
    assert prediction_errors(np.array([0.0]), np.array([-0.5])).msle == pytest.approx(0.480453014)


def test_mape_leaves_out_zeros_and_counts_them() -> None:
    errors = prediction_errors(np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 5.0]))
    assert errors.mape == pytest.approx((0.5 + 0.25) / 2)
    assert errors.left_out == 1
    assert math.isnan(prediction_errors(np.zeros(2), np.ones(2)).mape)


@pytest.mark.parametrize(
    ("scores_of_positives", "scores_of_negatives", "auc"),
    [
        ([0.9, 0.8], [0.3, 0.1], 1.0),
        ([0.1], [0.3, 0.9], 0.0),
        # of four pairs three are in order
        ([0.9, 0.4], [0.6, 0.1], 0.75),
        # of six pairs three are in order and two are ties
        ([0.5, 0.7], [0.5, 0.7, 0.1], 4 / 6),
        ([0.5, 0.5], [0.5], 0.5),
    ],
)
def test_roc_auc_counts_pairs_in_order_and_ties_as_half(
    scores_of_positives: list[float], scores_of_negatives: list[float], auc: float
) -> None:
    actual = np.array([1.0] * len(scores_of_positives) + [0.0] * len(scores_of_negatives))
    assert roc_auc(actual, np.array(scores_of_positives + scores_of_negatives)) == pytest.approx(auc)


@pytest.mark.parametrize("actual", [np.zeros(3), np.ones(3)], ids=["no positive", "no negative"])
def test_roc_auc_is_undefined_without_pairs(actual: F64) -> None:
    assert math.isnan(roc_auc(actual, np.array([0.1, 0.2, 0.3])))


def test_average_precision_is_the_mean_precision_at_the_positives() -> None:
    # positives at ranks 1 and 3 of four
    assert average_precision(np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.9, 0.1, 0.5, 0.3])) == pytest.approx((1 + 2 / 3) / 2)
    assert math.isnan(average_precision(np.zeros(2), np.array([0.1, 0.2])))


def test_average_precision_ranks_tied_negatives_first() -> None:
    assert average_precision(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.5])) == pytest.approx((1 + 2 / 3) / 2)


def test_unequal_lengths_raise() -> None:
    with pytest.raises(ValueError, match="make no pairs"):
        prediction_errors(np.ones(2), np.ones(3))
