"""Metrics of single predictions. `actual` and `predicted` are [N]; for AP and AUC `actual` is 0 or 1."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, mean_squared_log_error, roc_auc_score

from models.types import F64


@dataclass(frozen=True)
class PredictionErrors:
    """Errors of predictions."""

    mse: float
    rmse: float
    mae: float
    mape: float
    """Mean of |error| / |actual| over actual values other than 0; NaN if there are none."""
    left_out: int
    """Number of actual values of 0, for which MAPE is undefined."""
    msle: float
    """Mean of (ln(1 + predicted) - ln(1 + actual))^2; NaN if a value is at most -1."""


def prediction_errors(actual: F64, predicted: F64) -> PredictionErrors:
    """Return all error measures. Raises ValueError if the lengths differ or there are no values."""
    if actual.shape != predicted.shape or not actual.size:
        raise ValueError(f"{actual.size} actual and {predicted.size} predicted values make no pairs.")
    nonzero = actual != 0
    mse = float(mean_squared_error(actual, predicted))
    with np.errstate(over="ignore"):  # division by a tiny value: infinite, and reported so
        relative = np.abs((predicted[nonzero] - actual[nonzero]) / actual[nonzero])
    mape = float(relative.mean()) if nonzero.any() else float("nan")
    defined = bool((actual > -1).all() and (predicted > -1).all())
    msle = float(mean_squared_log_error(actual, predicted)) if defined else float("nan")
    mae = float(mean_absolute_error(actual, predicted))
    return PredictionErrors(mse, mse**0.5, mae, mape, int((~nonzero).sum()), msle)


def roc_auc(actual: F64, predicted: F64) -> float:
    """Return the area under the ROC curve, ties as a half; NaN if all pairs are positive or all are negative."""
    positive = actual > 0
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, predicted))


def average_precision(actual: F64, predicted: F64) -> float:
    """Return the mean precision at each positive; NaN without positives.

    Of equal scores the negatives rank first: scikit-learn's `average_precision_score` groups ties instead.
    """
    order = np.lexsort((actual, -predicted))
    hits = actual[order] > 0
    if not hits.any():
        return float("nan")
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).mean())
