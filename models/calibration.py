"""Calibration of class probabilities by one temperature (Guo et al. 2017)."""

from collections.abc import Callable

from scipy.optimize import minimize_scalar

TEMPERATURE_BOUNDS = (0.2, 20.0)


def fit_temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature within TEMPERATURE_BOUNDS that minimizes `loss(temperature)` on validation data."""
    return float(minimize_scalar(loss, bounds=TEMPERATURE_BOUNDS, method="bounded").x)
