"""The classic genre head against scikit-learn, which is the oracle here, and against what calibration means."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models.genre_logreg import GenreLogReg, GenreLogRegConfig, fit, from_bytes, to_bytes, to_card
from models.types import F64


def drawn(rows: int, seed: int, noise: float = 1.0, features: int = 6, genres: int = 3) -> tuple[F64, F64]:
    """Features around a centre of each genre, of very different scales, and one that never changes; labels [N, G]."""
    draw, centres = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(genres, features))
    genre = draw.integers(0, genres, rows)
    x = (centres[genre] + noise * draw.normal(size=(rows, features))) * 10.0 ** np.arange(features)
    return np.hstack([x, np.full((rows, 1), 5.0)]), np.eye(genres)[genre]


def named(rows: int) -> np.ndarray:
    return np.array([f"t{row}" for row in range(rows)])


@pytest.mark.parametrize("regularisation", [0.1, 1.0, 30.0])
def test_it_is_logistic_regression(regularisation: float) -> None:
    x, y = drawn(200, 1)
    asked = drawn(50, 2)[0]
    scaler = StandardScaler().fit(x)
    oracle = LogisticRegression(C=1 / regularisation, tol=1e-8, max_iter=10_000).fit(scaler.transform(x), y.argmax(1))
    ours = fit(x, y, named(200), GenreLogRegConfig(regularization=regularisation, folds=0))
    np.testing.assert_allclose(ours.predict(asked), oracle.predict_proba(scaler.transform(asked)), atol=1e-3)


def likelihood(head: GenreLogReg, x: F64, y: F64) -> float:
    return float(np.log((head.predict(x) * y).sum(1)).mean())


def test_probabilities_are_calibrated_on_tracks_that_were_not_seen() -> None:
    # hardly any regularisation and few rows: the fit is far too sure of itself
    x, y = drawn(40, 3, noise=2.0, features=20)
    asked, truth = drawn(2_000, 4, noise=2.0, features=20)
    sure = fit(x, y, named(40), GenreLogRegConfig(regularization=1e-4, folds=0))
    calm = fit(x, y, named(40), GenreLogRegConfig(regularization=1e-4))
    assert calm.temperature > 2
    assert likelihood(calm, asked, truth) > likelihood(sure, asked, truth) + 0.2
    np.testing.assert_array_equal(calm.predict(asked).argmax(1), sure.predict(asked).argmax(1))


def test_rows_of_one_track_are_held_out_together() -> None:
    x, y = drawn(30, 5, noise=3.0)
    repeated = np.repeat(x, 4, axis=0), np.repeat(y, 4, axis=0)
    config = GenreLogRegConfig(regularization=0.01)
    honest = fit(*repeated, np.repeat(named(30), 4), config)
    leaking = fit(*repeated, named(120), config)
    assert honest.temperature > 1.2 * leaking.temperature


def test_a_track_may_have_several_genres() -> None:
    draw = np.random.default_rng(6)
    x = draw.normal(size=(400, 2))
    y = (x > 0).astype(float)  # each feature is a genre of its own
    head = fit(x, y, named(400), GenreLogRegConfig(multi_label=True))
    found = head.predict(np.array([[2.0, 2.0], [2.0, -2.0], [-2.0, -2.0]]))
    np.testing.assert_array_equal(found > 0.5, [[True, True], [True, False], [False, False]])


def test_it_is_read_back_as_it_was_written() -> None:
    x, y = drawn(60, 7)
    head = fit(x, y, named(60))
    back = from_bytes(GenreLogRegConfig(**to_card(head.config)), to_bytes(head))
    np.testing.assert_array_equal(back.predict(x), head.predict(x))


def test_what_cannot_be_learned_from_is_refused() -> None:
    x, y = drawn(10, 8)
    for features, labels, tracks, why in (
        (x, y[:9], named(10), "the same number of rows"),
        (x * np.nan, y, named(10), "finite"),
        (x, y * 0, named(10), "sum to 1"),
    ):
        with pytest.raises(ValueError, match=why):
            fit(features, labels, tracks)
