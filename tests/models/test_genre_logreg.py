"""Genre logistic regression, compared with scikit-learn; calibration."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models.genre_logreg import GenreLogReg, GenreLogRegConfig, fit, from_bytes, to_bytes, to_card
from models.types import F64


def sampled(rows: int, seed: int, noise: float = 1.0, features: int = 6, genres: int = 3) -> tuple[F64, F64]:
    """Features around a center per genre, of very different scales, one of them constant; labels [N, G]."""
    rng, centres = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(genres, features))
    genre = rng.integers(0, genres, rows)
    x = (centres[genre] + noise * rng.normal(size=(rows, features))) * 10.0 ** np.arange(features)
    return np.hstack([x, np.full((rows, 1), 5.0)]), np.eye(genres)[genre]


def named(rows: int) -> np.ndarray:
    return np.array([f"t{row}" for row in range(rows)])


@pytest.mark.parametrize("regularization", [0.1, 1.0, 30.0])
def test_weights_equal_scikit_learns_logistic_regression(regularization: float) -> None:
    x, y = sampled(200, 1)
    unseen = sampled(50, 2)[0]
    scaler = StandardScaler().fit(x)
    oracle = LogisticRegression(C=1 / regularization, tol=1e-8, max_iter=10_000).fit(scaler.transform(x), y.argmax(1))
    ours = fit(x, y, named(200), GenreLogRegConfig(regularization=regularization, folds=0))
    np.testing.assert_allclose(ours.predict(unseen), oracle.predict_proba(scaler.transform(unseen)), atol=1e-3)


def likelihood(head: GenreLogReg, x: F64, y: F64) -> float:
    return float(np.log((head.predict(x) * y).sum(1)).mean())


def test_temperature_is_fitted_on_cross_validated_logits() -> None:
    # hardly any regularisation and few rows: the fit is far too sure of itself
    x, y = sampled(40, 3, noise=2.0, features=20)
    unseen, truth = sampled(2_000, 4, noise=2.0, features=20)
    sure = fit(x, y, named(40), GenreLogRegConfig(regularization=1e-4, folds=0))
    calm = fit(x, y, named(40), GenreLogRegConfig(regularization=1e-4))
    assert calm.temperature > 2
    assert likelihood(calm, unseen, truth) > likelihood(sure, unseen, truth) + 0.2
    np.testing.assert_array_equal(calm.predict(unseen).argmax(1), sure.predict(unseen).argmax(1))


def test_rows_of_one_track_share_a_fold() -> None:
    x, y = sampled(30, 5, noise=3.0)
    repeated = np.repeat(x, 4, axis=0), np.repeat(y, 4, axis=0)
    config = GenreLogRegConfig(regularization=0.01)
    honest = fit(*repeated, np.repeat(named(30), 4), config)
    leaking = fit(*repeated, named(120), config)
    assert honest.temperature > 1.2 * leaking.temperature


def test_multilabel_predicts_independent_probabilities() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(400, 2))
    y = (x > 0).astype(float)  # each feature is a genre of its own
    head = fit(x, y, named(400), GenreLogRegConfig(multi_label=True))
    actual = head.predict(np.array([[2.0, 2.0], [2.0, -2.0], [-2.0, -2.0]]))
    np.testing.assert_array_equal(actual > 0.5, [[True, True], [True, False], [False, False]])


def test_saved_model_predicts_the_same() -> None:
    x, y = sampled(60, 7)
    head = fit(x, y, named(60))
    back = from_bytes(GenreLogRegConfig(**to_card(head.config)), to_bytes(head))
    np.testing.assert_array_equal(back.predict(x), head.predict(x))


def test_invalid_training_data_is_refused() -> None:
    x, y = sampled(10, 8)
    for features, labels, tracks, why in (
        (x, y[:9], named(10), "the same number of rows"),
        (x * np.nan, y, named(10), "finite"),
        (x, y * 0, named(10), "sum to 1"),
    ):
        with pytest.raises(ValueError, match=why):
            fit(features, labels, tracks)
