"""Metrics of single predictions. `actual` and `predicted` are [N]; for AP and AUC `actual` is 0 or 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """How far predictions are off."""

    mse: float
    rmse: float
    mae: float
    mape: float
    """Mean of |error| / |actual| over actual values other than 0, where it is not defined; NaN where there is none."""
    left_out: int
    """Values of 0 that MAPE leaves out."""
    msle: float
    """Mean of (ln(1 + predicted) - ln(1 + actual))^2; NaN where a value is at or below -1."""


def errors(actual: Floats, predicted: Floats) -> Errors:
    """All of them. Raises ValueError where lengths differ or nothing is given."""
    if actual.shape != predicted.shape or not actual.size:
        raise ValueError(f"{actual.size} actual and {predicted.size} predicted values make no pairs.")
    off = predicted - actual
    some = actual != 0
    mse = float(np.mean(off**2))
    with np.errstate(over="ignore"):  # by next to nothing: infinite, and told so
        mape = float(np.mean(np.abs(off[some] / actual[some]))) if some.any() else float("nan")
    defined = bool((actual > -1).all() and (predicted > -1).all())
    msle = float(np.mean((np.log1p(predicted) - np.log1p(actual)) ** 2)) if defined else float("nan")
    return Errors(mse, mse**0.5, float(np.mean(np.abs(off))), mape, int((~some).sum()), msle)


def auc(actual: Floats, predicted: Floats) -> float:
    """Chance that a positive scores above a negative, a tie counting half; NaN where either kind is missing."""
    positive = actual > 0
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return float("nan")
    return float((rankdata(predicted)[positive].sum() - many * (many + 1) / 2) / (many * few))


def average_precision(actual: Floats, predicted: Floats) -> float:
    """Mean of the precision at each positive, best score first; of equal scores the negatives stand first."""
    order = np.lexsort((actual, -predicted))
    hits = actual[order] > 0
    if not hits.any():
        return float("nan")
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).mean())
