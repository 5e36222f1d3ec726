"""Factors predicted from content features."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from models.content_factors import ContentFactorsConfig, fit, to_unit

RNG = np.random.default_rng(4)
FEATURES = RNG.normal(size=(300, 12)) * np.arange(1, 13) + 5
MAP = RNG.normal(size=(12, 6)) / np.arange(1, 13)[:, None]
FACTORS = (FEATURES - 5) @ MAP


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((to_unit(a) * to_unit(b)).sum(1).mean())


def test_linear_factors_are_predicted_for_unseen_tracks() -> None:
    model = fit(FEATURES[:200], FACTORS[:200])
    predicted = model.predict(FEATURES[200:])
    np.testing.assert_allclose(np.linalg.norm(predicted, axis=1), 1)
    assert cosine(predicted, FACTORS[200:]) > 0.95
    assert model.cosine == pytest.approx(cosine(predicted, FACTORS[200:]), abs=0.03)
    assert model.baseline < 0.3


def test_solution_equals_ridge_regression_of_unit_factors() -> None:
    config = ContentFactorsConfig(alphas=(10.0,))
    model = fit(FEATURES, FACTORS, config)
    x = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    ridge = Ridge(alpha=10.0).fit(x, to_unit(FACTORS))
    np.testing.assert_allclose(model.weight, ridge.coef_.T, atol=1e-9)
    np.testing.assert_allclose(model.predict(FEATURES), to_unit(ridge.predict(x)), atol=1e-9)


def test_cross_validated_cosine_equals_that_of_separate_fits() -> None:
    config = ContentFactorsConfig(alphas=(100.0,), folds=3)
    fold = np.random.default_rng(config.seed).permutation(len(FEATURES)) % 3
    x, y = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0), to_unit(FACTORS)
    predicted = np.zeros_like(y)
    for k in range(3):
        predicted[fold == k] = Ridge(alpha=100.0).fit(x[fold != k], y[fold != k]).predict(x[fold == k])
    assert fit(FEATURES, FACTORS, config).cosine == pytest.approx(cosine(predicted, y), abs=1e-9)


def test_noise_gets_the_largest_alpha_and_a_low_cosine() -> None:
    model = fit(RNG.normal(size=(300, 12)), FACTORS)
    assert model.alpha >= 1_000
    assert model.cosine < model.baseline + 0.02


def test_few_tracks_and_constant_features_are_handled() -> None:
    model = fit(np.ones((3, 4)), FACTORS[:3])
    assert np.isnan(model.cosine)
    np.testing.assert_allclose(model.predict(np.ones((1, 4))), to_unit(to_unit(FACTORS[:3]).mean(0, keepdims=True)))


def test_mismatching_or_infinite_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="the same number of rows"):
        fit(FEATURES, FACTORS[:5])
    with pytest.raises(ValueError, match="finite"):
        fit(np.full((5, 2), np.nan), FACTORS[:5])
