"""The contract of all recommenders, and the equations of each."""

from collections.abc import Callable
from unittest.mock import Mock

import numpy as np
import pytest
from scipy.sparse import csr_array

from jobs.recommenders.methods import METHODS, PmrsCf, catalogue_of, fit_factors
from jobs.recommenders.training_data import TrainingData
from models import blend, bpr, ease, ials, item_knn, popularity, sparse_ease
from models.als_solver import ALSObjective
from models.bpr_model import BPRModel, FoldInConfig
from models.explain import top_contributor
from models.ials import ALSModel
from models.item_item import ItemItemModel
from models.protocol import Recommender
from models.queries import Queries
from models.serialization import from_bytes, to_bytes
from models.topk import recommend
from models.types import F32, Tensors

DRAW = np.random.default_rng(11)


def checkerboard() -> csr_array:
    """40 users, 20 tracks: even users play even tracks, odd users odd ones, each all but two."""
    dense = np.zeros((40, 20), dtype=np.float32)
    for user in range(40):
        dense[user, user % 2 :: 2] = 1 + user % 3
        dense[user, [(user + 2 * k) % 20 for k in (0, 1)]] = 0
    return csr_array(dense)


def factors(ratings: csr_array) -> ALSModel:
    return ALSModel(np.linalg.svd(ratings.toarray())[2][:2].T.astype(np.float32), ALSObjective())


def training_data(ratings: csr_array) -> TrainingData:
    """Training data without Spark; even and odd tracks have different genres."""
    genres = np.tile(np.eye(3, dtype=np.float32)[:2], (10, 1))
    return TrainingData(Mock(), tuple(f"t{n:02d}" for n in range(20)), ratings, ratings, genres)


FITS: dict[str, Callable[[csr_array], Recommender]] = {
    "popularity": lambda r: popularity.fit(r, popularity.PopularityConfig()),
    "item_knn": lambda r: item_knn.fit(r, item_knn.ItemKNNConfig(neighbors=5)),
    "ease": lambda r: ease.fit(r, ease.EASEConfig(regularization=5.0)),
    "sparse_ease": lambda r: sparse_ease.fit(
        r, sparse_ease.SparseEASEConfig(neighbors=5, shrinkage=1.0, regularization=5.0)
    ),
    "bpr": lambda r: bpr.fit(r, bpr.BPRConfig(rank=4, epochs=40)),
    "factors": factors,
    "als": lambda r: fit_factors(training_data(r), ials.IALSConfig(rank=4, iterations=5), 7),
    "pmrs_cf": lambda r: METHODS["pmrs_cf"].fit(training_data(r), ials.IALSConfig(rank=4, iterations=5), 7),
    "blend": lambda r: blend.fit(r, blend.BlendConfig(rank=2)),
}
EACH = pytest.mark.parametrize("fit", FITS.values(), ids=FITS)


def lists(
    model: Recommender, user_items: csr_array, k: int, candidates: str = "exclude_seen", block: int = 7
) -> dict[int, list[int]]:
    actual: dict[int, list[int]] = {row: [] for row in range(user_items.shape[0])}
    for rows, items, _ in recommend(model, Queries(user_items), k, candidates, block):  # type: ignore[arg-type]
        for row, item in zip(rows, items, strict=True):
            actual[int(row)].append(int(item))
    return actual


@EACH
def test_batched_scores_equal_single_scores(fit: Callable[[csr_array], Recommender]) -> None:
    ratings = checkerboard()
    model = fit(ratings)
    together = model.score(Queries(ratings))
    for row in range(0, 40, 9):
        np.testing.assert_allclose(together[row], model.score(Queries(ratings[row : row + 1]))[0], rtol=1e-5, atol=1e-6)


@EACH
def test_seen_tracks_are_absent_and_too_large_n_gives_all_others(
    fit: Callable[[csr_array], Recommender],
) -> None:
    ratings = checkerboard()
    for user, items in lists(fit(ratings), ratings, 1_000).items():
        assert sorted(items) == sorted(set(range(20)) - set(ratings[user : user + 1].indices))


@EACH
def test_only_seen_filter_gives_only_seen_tracks(fit: Callable[[csr_array], Recommender]) -> None:
    ratings = checkerboard()
    for user, items in lists(fit(ratings), ratings, 1_000, "only_seen").items():
        assert sorted(items) == sorted(ratings[user : user + 1].indices)


@EACH
def test_batch_size_does_not_change_lists(fit: Callable[[csr_array], Recommender]) -> None:
    ratings = checkerboard()
    model = fit(ratings)
    assert lists(model, ratings, 5, block=3) == lists(model, ratings, 5, block=100)


@EACH
def test_query_without_ratings_gets_finite_scores(fit: Callable[[csr_array], Recommender]) -> None:
    model = fit(checkerboard())
    nobody = csr_array((1, 20), dtype=np.float32)
    assert np.isfinite(model.score(Queries(nobody))).all()
    assert len(lists(model, nobody, 5)[0]) == 5


@pytest.mark.parametrize("name", ["item_knn", "ease", "sparse_ease", "bpr", "factors", "als", "pmrs_cf", "blend"])
def test_checkerboard_user_gets_the_missing_tracks_of_its_color(name: str) -> None:
    ratings = checkerboard()
    for user, items in lists(FITS[name](ratings), ratings, 2).items():
        missing = set(range(user % 2, 20, 2)) - set(ratings[user : user + 1].indices)
        assert set(items[: len(missing)]) == missing


def rebuilt(name: str, arrays: Tensors) -> Recommender:
    """Rebuild a model from its stored arrays."""
    if name == "popularity":
        return popularity.Popularity(arrays["user_share"])
    if name == "ease":
        return ease.EASE(arrays["weights"], 1.0)
    if name in {"factors", "als", "pmrs_cf"}:
        return rebuilt_factors(name, arrays)
    if name == "blend":
        return rebuilt_blend(arrays)
    if name == "bpr":
        return BPRModel(arrays["factors"], arrays["biases"], arrays["negatives"], FoldInConfig())
    return ItemItemModel(csr_array((arrays["values"], arrays["columns"], arrays["row_ends"]), shape=(20, 20)), 1.0)


def rebuilt_factors(name: str, arrays: Tensors) -> Recommender:
    collaborative = ALSModel(arrays["factors"], ALSObjective() if name == "factors" else ials.IALSConfig().objective)
    return PmrsCf(collaborative, catalogue_of(arrays["genre_probabilities"])) if name == "pmrs_cf" else collaborative


def rebuilt_blend(arrays: Tensors) -> blend.Blend:
    linear = ease.EASE(arrays["ease.weights"], 1.0)
    als = ALSModel(arrays["als.factors"], blend.BlendConfig().als.objective)
    popular = popularity.Popularity(arrays["popularity.user_share"])
    models: dict[str, Recommender] = {"ease": linear, "als": als, "popularity": popular}
    parts = [blend.Component(name, model, float(arrays[f"{name}.weight"][0])) for name, model in models.items()]
    return blend.Blend(tuple(parts[:2]), parts[2])


@pytest.mark.parametrize("name", FITS)
def test_stored_arrays_rebuild_the_model(name: str) -> None:
    ratings = checkerboard()
    model = FITS[name](ratings)
    tracks = tuple(f"t\u00e9{n}" for n in range(20))
    stored = to_bytes(model, tracks, name, {"k": 5})
    arrays, ids = from_bytes(stored)
    assert ids == tracks
    np.testing.assert_array_equal(rebuilt(name, arrays).score(Queries(ratings)), model.score(Queries(ratings)))
    assert stored == to_bytes(FITS[name](ratings), tracks, name, {"k": 5}), "equal models, equal bytes"
    assert stored != to_bytes(model, tracks, name, {"k": 6})


@pytest.mark.parametrize("name", ["item_knn", "ease", "sparse_ease", "factors", "als"])
def test_contributions_sum_to_the_score(name: str) -> None:
    ratings = checkerboard()
    ratings.data[::7] = 0.5  # heard and not liked: carries nothing
    model = FITS[name](ratings)
    item_ids = [np.arange(row % 4, 20, 3) for row in range(40)]
    scores = model.score(Queries(ratings))
    for row, contributions in enumerate(model.contributions(ratings, item_ids)):
        user_ratings = ratings.data[ratings.indptr[row] : ratings.indptr[row + 1]]
        assert contributions.shape == (item_ids[row].size, user_ratings.size)
        assert not contributions[:, user_ratings < 1].any()
        np.testing.assert_allclose(contributions.sum(axis=1), scores[row, item_ids[row]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["item_knn", "ease", "sparse_ease", "bpr", "factors", "als", "pmrs_cf", "blend"])
def test_contributors_have_the_color_of_the_recommended_track(name: str) -> None:
    dense = checkerboard().toarray()
    dense[4, 5] = 1.0  # a slip into the other taste
    ratings = csr_array(dense)
    (contributions,) = FITS[name](checkerboard()).contributions(ratings[4:5], [np.array([4, 6])])
    (because,) = set(top_contributor(contributions, ratings[4:5].indices, ratings[4:5].data) % 2)
    assert because == 0


@EACH
def test_empty_history_or_items_give_empty_contributions(fit: Callable[[csr_array], Recommender]) -> None:
    model = fit(checkerboard())
    (alone,) = model.contributions(csr_array((1, 20), dtype=np.float32), [np.array([1, 2])])
    assert alone.shape == (2, 0)
    assert top_contributor(alone, np.empty(0, np.int64), np.empty(0, np.float32)).tolist() == [-1, -1]
    (nothing,) = model.contributions(checkerboard()[:1], [np.empty(0, np.int64)])
    assert nothing.shape[0] == 0


def test_equal_contributors_are_ordered_by_rating() -> None:
    contributions = np.array([[0.2, 0.2, 0.1], [0.0, -0.1, 0.0]], dtype=np.float32)
    assert top_contributor(contributions, np.array([3, 7, 9]), np.array([1.0, 5.0, 9.0], np.float32)).tolist() == [7, -1]


def test_ties_are_broken_by_item_id() -> None:
    model = popularity.Popularity(np.ones(50, dtype=np.float32))
    assert lists(model, csr_array((1, 50), dtype=np.float32), 5)[0] == [0, 1, 2, 3, 4]


def test_popularity_counts_users_not_plays() -> None:
    dense = np.array([[1_000_000, 1, 0], [0, 1, 0.5]], dtype=np.float32)
    actual = popularity.fit(csr_array(dense), popularity.PopularityConfig())
    np.testing.assert_allclose(actual.user_share, [0.5, 1.0, 0.0])


def random_ratings() -> csr_array:
    return csr_array((DRAW.random((60, 25)) < 0.2).astype(np.float32))


def test_ease_columns_equal_ridge_regressions() -> None:
    """Each column is the ridge regression of a track on all others."""
    ratings = random_ratings()
    weights = ease.fit(ratings, ease.EASEConfig(regularization=3.0)).weights
    dense = ratings.toarray().astype(np.float64)
    for track in (0, 7, 24):
        others = [t for t in range(25) if t != track]
        left = dense[:, others]
        expected = np.linalg.solve(left.T @ left + 3.0 * np.eye(24), left.T @ dense[:, track])
        np.testing.assert_allclose(weights[others, track], expected, atol=1e-5)
    assert not weights.diagonal().any()


def test_ease_with_dropout_equals_the_fit_on_many_masked_copies() -> None:
    """Each column is the ridge regression of a track on all others, with random interactions masked."""
    ratings = random_ratings()
    weights = ease.fit(ratings, ease.EASEConfig(regularization=3.0, dropout=0.4)).weights
    dense, copies, track = ratings.toarray().astype(np.float64), 4_000, 7
    others = [t for t in range(25) if t != track]
    left, right = np.zeros((24, 24)), np.zeros(24)
    for _ in range(copies):
        # what is left weighs as much more as others are hidden
        hidden = dense[:, others] * (DRAW.random((60, 24)) >= 0.4) / 0.6
        left += hidden.T @ hidden / copies
        right += hidden.T @ dense[:, track] / copies
    expected = np.linalg.solve(left + 3.0 * np.eye(24), right)
    np.testing.assert_allclose(weights[others, track], expected, atol=0.01)
    assert np.abs(weights[others, track]).max() > 0.1


def test_ease_refuses_a_too_large_catalogue() -> None:
    with pytest.raises(ValueError, match="20,000 tracks; this catalogue has 20,001"):
        ease.fit(csr_array((1, 20_001), dtype=np.float32), ease.EASEConfig())


def test_item_knn_weights_are_shrunken_cosines_of_the_nearest() -> None:
    ratings = random_ratings()
    actual = item_knn.fit(ratings, item_knn.ItemKNNConfig(neighbors=4, shrinkage=2.0)).weights.toarray()
    dense = ratings.toarray().astype(np.float64)
    common = dense.T @ dense
    length = np.sqrt(np.outer(common.diagonal(), common.diagonal()))
    similar = common / (length + 2.0) * (1 - np.eye(25))
    for track in range(25):
        remaining = np.flatnonzero(actual[:, track])
        np.testing.assert_allclose(actual[remaining, track], similar[remaining, track], rtol=1e-5)
        best: F32 = np.sort(similar[:, track])[::-1][:4]
        np.testing.assert_allclose(np.sort(actual[remaining, track])[::-1], best[best > 0], rtol=1e-5)


def test_fold_in_solves_the_weighted_least_squares_of_a_user() -> None:
    items = DRAW.normal(size=(25, 3)).astype(np.float32)
    user_items = np.zeros((1, 25), dtype=np.float32)
    user_items[0, [2, 5, 9]] = [1, 8, 0.5]  # the last is below T_R: heard, and not liked
    objective = ALSObjective(1 / 4.0, 0.1 / 4.0, frequency_includes_unobserved=False)
    actual = ALSModel(items, objective).fold_in(csr_array(user_items))[0]
    preference, confidence = np.zeros(25), np.ones(25)
    preference[[2, 5]] = 1.0
    confidence[[2, 5]] += 4.0 * np.array([1.0, 4.0])  # strength 1 + log2 R
    left = items.T @ (items * confidence[:, None]) + 0.1 * 2 * np.eye(3)
    np.testing.assert_allclose(actual, np.linalg.solve(left, items.T @ (confidence * preference)), rtol=1e-4)
