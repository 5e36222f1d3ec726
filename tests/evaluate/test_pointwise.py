import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from jobs.evaluate.pointwise import auc, average_precision, errors

COUNTS = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=40)


@given(COUNTS)
def test_errors_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(pairs).T
    found = errors(actual, predicted)
    assert found.mse == pytest.approx(oracle.mean_squared_error(actual, predicted))
    assert found.mae == pytest.approx(oracle.mean_absolute_error(actual, predicted))
    assert found.msle == pytest.approx(oracle.mean_squared_log_error(actual, predicted), abs=1e-12)
    assert found.rmse >= found.mae - 1e-9


def test_mape_leaves_out_zeros_and_says_how_many() -> None:
    found = errors(np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 5.0]))
    assert found.mape == pytest.approx((0.5 + 0.25) / 2)
    assert found.left_out == 1
    assert math.isnan(errors(np.zeros(2), np.ones(2)).mape)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(
        lambda p: len({a for a, _ in p}) == 2
    )
)
def test_auc_is_that_of_scikit_learn_ties_included(pairs: list[tuple[bool, int]]) -> None:
    actual, predicted = np.array(pairs, dtype=float).T
    assert auc(actual, predicted) == pytest.approx(oracle.roc_auc_score(actual, predicted))


def test_average_precision_counts_ties_against_the_model() -> None:
    assert average_precision(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.5])) == pytest.approx((1 + 2 / 3) / 2)
    distinct = np.array([0.9, 0.1, 0.5, 0.3]), np.array([1.0, 0.0, 0.0, 1.0])
    assert average_precision(distinct[1], distinct[0]) == pytest.approx(
        oracle.average_precision_score(distinct[1], distinct[0])
    )


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="make no pairs"):
        errors(np.ones(2), np.ones(3))
