"""Sparse EASE: regressions on neighbors, EASE with all neighbors, independence of chunking."""

import numpy as np
import pytest
from scipy.linalg import LinAlgError
from scipy.sparse import csr_array

from models import cooccurrence, ease, sparse_ease
from models.cooccurrence import CooccurrenceMatrix
from models.interactions import binarize
from models.protocol import CatalogTooLargeError
from models.queries import Queries
from models.sparse_ease import SparseEASEConfig

TRACKS = 30


def listening(share: float = 0.15) -> csr_array:
    """80 users. Some tracks have no common user, nobody likes track 4, user 7 rated all tracks, half below T_R."""
    rng = np.random.default_rng(5)
    listened = (rng.random((80, TRACKS)) < share * rng.random(TRACKS)).astype(np.float32)
    listened[7] = np.where(np.arange(TRACKS) % 2, 3.0, 0.5)
    listened[:, 4] = 0.0
    return csr_array(listened)


def gram() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    dense = (listening().toarray() >= 1).astype(np.float64)
    return np.asarray(dense.T @ dense)


def test_with_all_neighbors_sparse_ease_equals_ease() -> None:
    expected = ease.fit(listening(), ease.EASEConfig(regularization=3.0)).weights
    assert (gram() == 0).any(), "tracks without a common listener have weights too"
    assert (expected[gram() == 0] < -1e-4).any()
    for k in (TRACKS - 1, 5_000):
        actual = sparse_ease.fit(listening(), SparseEASEConfig(neighbors=k, regularization=3.0)).weights.toarray()
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_columns_equal_ridge_regressions_on_the_nearest_neighbors() -> None:
    config = SparseEASEConfig(neighbors=4, shrinkage=2.0, regularization=1.5)
    actual = sparse_ease.fit(listening(), config).weights.toarray()
    common = gram()
    similar = common / (np.sqrt(np.outer(common.diagonal(), common.diagonal())) + 2.0) * (1 - np.eye(TRACKS))
    for track in range(TRACKS):
        # a stable sort: of equal ones those that come first
        near = np.argsort(-similar[:, track], kind="stable")[:4]
        near = near[similar[near, track] > 0]
        expected = np.zeros(TRACKS)
        expected[near] = np.linalg.solve(common[np.ix_(near, near)] + 1.5 * np.eye(near.size), common[near, track])
        np.testing.assert_allclose(actual[:, track], expected, atol=1e-6)


@pytest.mark.parametrize(("sort_below", "at_once"), [(0, 1), (10**9, 4_000_000), (10**9, 1), (10**9, 20)])
def test_cooccurrence_rows_equal_the_gram_matrix_for_all_counting_methods(
    monkeypatch: pytest.MonkeyPatch, sort_below: int, at_once: int
) -> None:
    monkeypatch.setattr(cooccurrence, "SORT_BELOW", sort_below)
    monkeypatch.setattr(cooccurrence, "CHUNK_INTERACTIONS", at_once)
    audience = CooccurrenceMatrix(binarize(listening(), 1.0))
    for track in range(TRACKS):
        actual, common = audience.row(track)
        np.testing.assert_array_equal(actual, np.flatnonzero(gram()[track]))
        np.testing.assert_array_equal(common, gram()[track][actual])


def test_bits_do_not_depend_on_threads_or_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SparseEASEConfig(neighbors=5, regularization=2.0)
    expected = sparse_ease.fit(listening(), config, threads=1).tensors()
    monkeypatch.setattr(sparse_ease, "MAX_SYSTEM_BYTES", 4 * 5**2 * 7)  # sets of seven
    monkeypatch.setattr(sparse_ease, "MAX_SOLVE_CELLS", 60)  # solved by two
    for threads in (1, 3):
        actual = sparse_ease.fit(listening(), config, threads).tensors()
        for name, values in expected.items():
            np.testing.assert_array_equal(actual[name], values)


def test_track_without_interactions_scores_zero() -> None:
    ratings = listening()
    model = sparse_ease.fit(ratings, SparseEASEConfig(neighbors=5))
    assert not model.score(Queries(ratings))[:, 4].any()
    nothing = sparse_ease.fit(csr_array((3, TRACKS), dtype=np.float32), SparseEASEConfig(neighbors=5))
    assert nothing.weights.nnz == 0


def test_too_large_catalogue_is_refused_with_the_numbers() -> None:
    with pytest.raises(CatalogTooLargeError, match="4,000,000 tracks with 200 neighbors need 18 GiB"):
        sparse_ease.fit(csr_array((1, 4_000_000), dtype=np.float32), SparseEASEConfig(neighbors=200))
    with pytest.raises(CatalogTooLargeError, match="20,000 tracks with 19,999 neighbors"):
        sparse_ease.fit(csr_array((1, 20_000), dtype=np.float32), SparseEASEConfig(neighbors=20_000))


def test_identical_tracks_without_regularization_are_singular() -> None:
    same = np.zeros((9, 4), dtype=np.float32)
    same[:5] = 1.0
    with pytest.raises(LinAlgError, match="set a regularization above 0"):
        sparse_ease.fit(csr_array(same), SparseEASEConfig(neighbors=2, regularization=0.0))
