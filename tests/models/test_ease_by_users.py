"""EASE by a users x users system: the weights of the definition, and the same from any number of threads."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import LinAlgError
from scipy.sparse import csr_array

from models import blend, ease, ease_by_users
from models.blend import BlendConfig, ComponentCache
from models.queries import Queries
from models.threads import thread_pool

USERS, TRACKS = 40, 90


@pytest.fixture(scope="module")
def interactions() -> csr_array:
    """Return binary interactions of fewer users than tracks; nobody plays the last track, and two tracks have the same users."""
    dense = (np.random.default_rng(5).random((USERS, TRACKS)) < np.linspace(0.5, 0.05, TRACKS)).astype(np.float32)
    dense[:, -1] = 0.0
    dense[:, 7] = dense[:, 3]
    return csr_array(dense)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_weights_equal_the_inverse_of_the_gram_matrix(interactions: csr_array, dropout: float) -> None:
    dense = interactions.toarray().astype(np.float64)
    gram = dense.T @ dense
    inverse = np.linalg.inv(gram + np.diag(30.0 + dropout / (1 - dropout) * gram.diagonal()))
    expected = np.eye(TRACKS) - inverse / inverse.diagonal()
    weights = ease.fit(interactions, ease.EASEConfig(regularization=30.0, dropout=dropout)).weights
    np.testing.assert_allclose(weights, expected, atol=1e-7)
    assert not weights.diagonal().any()
    others = [track for track in range(TRACKS) if track not in (3, 7)]
    assert (weights[others, 3] == weights[others, 7]).all(), "equal tracks tie exactly"


def test_weights_do_not_depend_on_the_number_of_threads(interactions: csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_by_users, "BLOCK_COLUMNS", 7)
    results = []
    for threads in (1, 3):
        with thread_pool(threads) as pool:
            results.append(ease_by_users.weights(interactions.astype(np.float64), np.full(TRACKS, 10.0), pool))
    np.testing.assert_array_equal(results[0], results[1])


def test_invert_of_a_singular_matrix_raises() -> None:
    with pytest.raises(LinAlgError, match="set a regularization above 0"):
        ease_by_users.invert(np.zeros((3, 3), order="F"))


def test_blends_of_a_shared_cache_equal_those_fitted_alone(interactions: csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[float] = []
    fit_ease = ease.fit

    def count_fits(ratings: csr_array, config: ease.EASEConfig) -> ease.EASE:
        fits.append(config.regularization)
        return fit_ease(ratings, config)

    base = BlendConfig(rank=4)
    grid = [base, replace(base, popularity_weight=0.1), replace(base, seed=8), replace(base, ease_regularization=300.0)]
    alone = [blend.fit(interactions, config).score(Queries(interactions)) for config in grid]
    monkeypatch.setattr(ease, "fit", count_fits)
    cache = ComponentCache()
    for config, expected in zip(grid, alone, strict=True):
        np.testing.assert_array_equal(blend.fit(interactions, config, cache).score(Queries(interactions)), expected)
    assert fits == [30.0, 300.0], "three blends share an EASE part"
