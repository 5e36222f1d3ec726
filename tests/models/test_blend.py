"""Blend of EASE, implicit ALS and popularity: score, contributions, scaling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from models import blend, ease, ials, popularity
from models.blend import Blend, BlendConfig, Component
from models.explain import contributions_from_weights
from models.ials import ALSModel
from models.interactions import binarize
from models.protocol import CatalogTooLargeError, Recommender
from models.queries import Queries
from models.topk import recommend
from models.types import F32, I64, Tensors

USERS, TRACKS = 120, 30
CONFIG = BlendConfig(
    als_share=0.3, popularity_weight=0.4, rank=4, unobserved_weight=0.1, als_regularization=0.02, ease_regularization=5.0
)


@pytest.fixture(scope="module")
def ratings() -> csr_array:
    """Popularity falls with the track number. The last user has no ratings, the one before has one."""
    rng = np.random.default_rng(5)
    dense = (rng.random((USERS, TRACKS)) < np.linspace(0.6, 0.05, TRACKS)).astype(np.float32)
    dense *= rng.integers(1, 9, dense.shape)
    dense[::7, 3] = 0.5  # heard and not liked
    dense[-2:] = 0.0
    dense[-2, 3] = 2.0
    return csr_array(dense)


@pytest.fixture(scope="module")
def blended(ratings: csr_array) -> Blend:
    return blend.fit(ratings, CONFIG)


def parts_of(ratings: csr_array) -> tuple[Recommender, Recommender, Recommender]:
    """Return the components, fitted separately."""
    factors = ALSModel(ials.fit(ratings, CONFIG.als), CONFIG.als.objective)
    popular = popularity.fit(ratings, popularity.PopularityConfig())
    return ease.fit(ratings, ease.EASEConfig(regularization=5.0)), factors, popular


def test_score_is_the_sum_of_components_scaled_by_their_rms(ratings: csr_array, blended: Blend) -> None:
    scores = [model.score(Queries(ratings)).astype(np.float64) for model in parts_of(ratings)]
    sized = [each / np.sqrt((each**2).mean()) for each in scores]
    expected = 0.7 * sized[0] + 0.3 * sized[1] + 0.4 * sized[2]
    expected[-1] = 0.0
    np.testing.assert_allclose(blended.score(Queries(ratings)), expected, rtol=1e-4, atol=1e-5)


def test_config_is_passed_to_the_components() -> None:
    actual = replace(CONFIG, min_rating=2.0, seed=3).als
    assert (actual.min_rating, actual.rank, actual.unobserved_weight, actual.regularization, actual.seed) == (2.0, 4, 0.1, 0.02, 3)


def test_ratings_below_min_rating_are_ignored_by_all_components(ratings: csr_array) -> None:
    config = replace(CONFIG, min_rating=3.0)
    strict, same = blend.fit(ratings, config), blend.fit(ratings.multiply(ratings >= 3.0).tocsr(), config)
    np.testing.assert_allclose(strict.score(Queries(ratings)), same.score(Queries(ratings)), rtol=1e-4, atol=1e-6)


def test_contributions_sum_to_the_score_without_popularity(ratings: csr_array, blended: Blend) -> None:
    item_ids = [np.arange(row % 4, TRACKS, 3) for row in range(USERS)]
    prior = blended.prior.weight * blended.prior.model.score(Queries(ratings))
    scores = blended.score(Queries(ratings)) - np.where(blended.score(Queries(ratings)) != 0, prior, 0)
    for row, shares in enumerate(blended.contributions(ratings, item_ids)):
        user_ratings = ratings.data[ratings.indptr[row] : ratings.indptr[row + 1]]
        assert shares.shape == (item_ids[row].size, user_ratings.size)
        assert not shares[:, user_ratings < 1].any()
        np.testing.assert_allclose(shares.sum(axis=1), scores[row, item_ids[row]], rtol=1e-3, atol=1e-4)


def test_popularity_weighs_less_for_longer_histories(ratings: csr_array, blended: Blend) -> None:
    """The prior is constant; personal scores grow with the history."""
    lengths = np.diff(binarize(ratings, 1.0).indptr)
    personal = blended.score(Queries(ratings)) - blended.prior.weight * blended.prior.model.score(Queries(ratings))
    size = np.sqrt((personal**2).mean(axis=1))
    assert size[lengths > 10].mean() > 2 * size[-2]


@dataclass(frozen=True)
class Fixed:
    """A model with fixed item-item weights [I, I]."""

    weights: F32

    def score(self, queries: Queries) -> F32:
        return np.asarray(queries.user_items @ self.weights, dtype=np.float32)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        return contributions_from_weights(user_items, item_ids, lambda history, items: self.weights[np.ix_(history, items)], 0.0)

    def tensors(self) -> Tensors:
        return {"weights": self.weights}


def test_popularity_gives_no_evidence_but_reorders_tracks_with_evidence() -> None:
    weights = np.zeros((4, 4), dtype=np.float32)
    weights[0, 1:3] = 1.0
    popular = popularity.Popularity(np.array([0.1, 0.2, 0.3, 0.9], dtype=np.float32))
    actual = Blend((Component("fixed", Fixed(weights), 2.0),), Component("popularity", popular, 0.5))
    user_items = csr_array(np.array([[1, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float32))
    np.testing.assert_allclose(actual.score(Queries(user_items)), [[0.0, 2.1, 2.15, 0.0], [0.0, 0.0, 0.0, 0.0]])
    (first, *_) = next(iter(recommend(actual, Queries(user_items[:1]), 2)))[1]
    assert first == 2


def test_rms_of_many_users_is_estimated_from_every_nth(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.eye(2, dtype=np.float32)
    ratings = csr_array(np.array([[3, 4], [100, 100], [0, 0], [100, 100]], dtype=np.float32))
    monkeypatch.setattr(blend, "MAX_SCALE_USERS", 2)
    monkeypatch.setattr(blend, "BATCH_SIZE", 1)
    assert blend.rms_score(Fixed(weights), ratings) == pytest.approx(np.sqrt(25 / 4))


def test_component_without_scores_gets_weight_zero() -> None:
    """Without interactions no weight is a division by 0."""
    nothing = blend.fit(csr_array(np.full((3, 4), 0.5, dtype=np.float32)), CONFIG)
    assert not nothing.score(Queries(csr_array(np.ones((1, 4), dtype=np.float32)))).any()


def test_catalogue_too_large_for_ease_is_refused() -> None:
    with pytest.raises(CatalogTooLargeError, match="20,000 tracks; this catalogue has 20,001"):
        blend.fit(csr_array((1, 20_001), dtype=np.float32), CONFIG)
