import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from jobs.evaluate.pointwise import average_precision, prediction_errors, roc_auc

COUNTS = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=40)


@given(COUNTS)
def test_prediction_errors_match_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(pairs).T
    errors = prediction_errors(actual, predicted)
    assert errors.mse == pytest.approx(oracle.mean_squared_error(actual, predicted))
    assert errors.mae == pytest.approx(oracle.mean_absolute_error(actual, predicted))
    assert errors.msle == pytest.approx(oracle.mean_squared_log_error(actual, predicted), abs=1e-12)
    assert errors.rmse >= errors.mae - 1e-9


def test_mape_leaves_out_zeros_and_counts_them() -> None:
    errors = prediction_errors(np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 5.0]))
    assert errors.mape == pytest.approx((0.5 + 0.25) / 2)
    assert errors.left_out == 1
    assert math.isnan(prediction_errors(np.zeros(2), np.ones(2)).mape)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(
        lambda p: len({a for a, _ in p}) == 2
    )
)
def test_roc_auc_counts_pairs_in_order_and_ties_as_half(pairs: list[tuple[bool, int]]) -> None:
    actual, predicted = np.array(pairs, dtype=float).T
    assert roc_auc(actual, predicted) == pytest.approx(oracle.roc_auc_score(actual, predicted))


def test_average_precision_ranks_tied_negatives_first() -> None:
    assert average_precision(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.5])) == pytest.approx((1 + 2 / 3) / 2)
    distinct = np.array([0.9, 0.1, 0.5, 0.3]), np.array([1.0, 0.0, 0.0, 1.0])
    assert average_precision(distinct[1], distinct[0]) == pytest.approx(
        oracle.average_precision_score(distinct[1], distinct[0])
    )


def test_unequal_lengths_raise() -> None:
    with pytest.raises(ValueError, match="make no pairs"):
        prediction_errors(np.ones(2), np.ones(3))
