"""PMRS's lists, compared with a direct reading of the equations; a checkerboard with a known answer."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, vstack

from models import exact_index, ivf_index
from models.als_solver import ALSObjective
from models.ials import ALSModel
from models.pmrs_cf import Catalogue, genre_profiles, percentiles, top_lists
from models.queries import Queries
from models.recommendation_lists import OVERALL, RankedLists, explain_lists, search_lists
from models.types import F32

MIN_RATING = 1.0


def make(seed: int, tracks: int = 40, genres: int = 3, seen: int = 6) -> tuple[F32, Catalogue, csr_array]:
    """Scores [1, I], the catalogue and one user's ratings [1, I]."""
    rng = np.random.default_rng(seed)
    genre = rng.integers(0, genres + 1, tracks)
    probabilities = np.zeros((tracks, genres + 1), dtype=np.float32)
    soft = rng.dirichlet(np.ones(genres), tracks).astype(np.float32)
    has_score = genre < genres
    probabilities[has_score, :genres] = soft[has_score]
    probabilities[~has_score, genres] = 1
    genre = np.where(has_score, probabilities[:, :genres].argmax(axis=1), genres)
    factors = rng.normal(size=(tracks, 4)).astype(np.float32)
    items = np.sort(rng.choice(tracks, seen, replace=False))
    ratings = rng.integers(0, 5, seen).astype(np.float32)
    scores = rng.normal(size=(1, 4)).astype(np.float32) @ factors.T
    return scores, Catalogue(probabilities, genre), rated(items, ratings, tracks)


def rated(items: object, ratings: object, tracks: int) -> csr_array:
    """One user [1, I]; a rating of 0 is stored."""
    numbers = np.asarray(items, np.int64)
    return csr_array((np.asarray(ratings, np.float32), numbers, [0, numbers.size]), shape=(1, tracks))


def listed(lists: RankedLists, row: int = 0) -> dict[int, list[int]]:
    """Return the items of each list of a user."""
    of_user = lists.row == row
    return {int(genre): lists.item[of_user & (lists.genre == genre)].tolist() for genre in np.unique(lists.genre[of_user])}


def by_hand(
    scores: F32, catalogue: Catalogue, user: csr_array, genre: int, k: int, by_taste: bool = True
) -> list[int]:
    """The equations of the module docstring, one track at a time."""
    scores = scores[0]
    seen = set(user.indices.tolist())
    unheard = [t for t in range(len(scores)) if t not in seen]
    order = sorted(unheard, key=lambda t: (-scores[t], t))
    percentile = {t: (len(order) - rank) / len(order) for rank, t in enumerate(order)}
    theta = genre_profiles(user, catalogue, MIN_RATING)[0]
    if genre < 0:
        fit = catalogue.genre_probabilities @ theta if by_taste else np.ones(len(scores))
        value = {t: float(fit[t]) * percentile[t] for t in unheard}
    else:
        value = {
            t: float(catalogue.genre_probabilities[t, genre]) * percentile[t] for t in unheard if catalogue.genre[t] == genre
        }
    return sorted(value, key=lambda t: (-np.float32(value[t]), -percentile[t], t))[:k]


@pytest.mark.parametrize("by_taste", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_lists_equal_the_equations_of_the_module_docstring(seed: int, by_taste: bool) -> None:
    scores, catalogue, user = make(seed)
    for genre, items in listed(top_lists(scores, user, catalogue, MIN_RATING, 5, 3, by_taste)).items():
        assert items == by_hand(scores, catalogue, user, genre, 5 if genre < 0 else 3, by_taste)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), seen=st.integers(0, 39), k=st.integers(1, 60))
def test_lists_have_no_seen_track_and_are_never_short(seed: int, seen: int, k: int) -> None:
    scores, catalogue, user = make(seed, seen=seen)
    for genre, items in listed(top_lists(scores, user, catalogue, MIN_RATING, k, k)).items():
        inside = range(40) if genre < 0 else np.flatnonzero(catalogue.genre == genre).tolist()
        assert not set(items) & set(user.indices.tolist())
        assert len(items) == len(set(items)) == min(k, len(set(inside) - set(user.indices.tolist())))


def test_batch_gives_the_lists_of_each_user_alone() -> None:
    sampled = [make(1, seen=n) for n in (0, 3, 9)]
    catalogue, users = sampled[0][1], vstack([m[2] for m in sampled], format="csr")
    scores = np.concatenate([m[0] for m in sampled])
    together = top_lists(scores, csr_array(users), catalogue, MIN_RATING, 5, 3)
    for row in range(3):
        alone = top_lists(scores[row : row + 1], sampled[row][2], catalogue, MIN_RATING, 5, 3)
        assert listed(together, row) == listed(alone)
    assert [*zip(together.row, together.genre, strict=True)] == sorted(zip(together.row, together.genre, strict=True))


def test_percentiles_rank_unseen_tracks_with_ties_by_id() -> None:
    actual = percentiles(np.array([[1.0, 2.0, 2.0, -3.0]], np.float32), rated([0], [1], 4))
    assert actual.tolist() == [[-1.0, 1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)]]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_percentiles_are_monotonic_in_scores(values: list[float]) -> None:
    scores = np.array([values], np.float32)
    percentile = percentiles(scores, csr_array(scores.shape, dtype=np.float32))[0]
    has_score = [t for t in range(len(values)) if scores[0, t] != 0]
    expected = sorted(has_score, key=lambda t: (-scores[0, t], t))
    assert sorted(has_score, key=lambda t: -percentile[t]) == expected
    assert all(percentile[t] == -1 for t in range(len(values)) if t not in has_score)


def test_track_without_evidence_is_not_recommended() -> None:
    catalogue = Catalogue(np.ones((4, 1), np.float32), np.ones(4, np.int64))
    nobody, scores = rated([], [], 4), np.array([[0.0, 0.5, 0.0, -1.0]], np.float32)
    assert listed(top_lists(scores, nobody, catalogue, MIN_RATING, 4, 4, uses_genre_profile=False)) == {OVERALL: [1, 3]}


def test_negative_scores_do_not_invert_a_list() -> None:
    catalogue = Catalogue(np.array([[1, 0], [1, 0]], np.float32), np.zeros(2, np.int64))
    lists = top_lists(np.array([[-1.0, -2.0]], np.float32), rated([], [], 2), catalogue, MIN_RATING, 2, 2)
    assert listed(lists)[0] == [0, 1]


def test_genre_profile_is_weighted_by_ratings_above_min_rating() -> None:
    catalogue = Catalogue(np.array([[1, 0], [0, 1], [0, 1]], np.float32), np.array([0, 1, 1]))
    assert genre_profiles(rated([0, 1, 2], [3, 1, 0.5], 3), catalogue, MIN_RATING).tolist() == [[0.75, 0.25]]
    assert genre_profiles(rated([2], [0.5], 3), catalogue, MIN_RATING).tolist() == [[0, 0]]


@pytest.mark.parametrize("arranged", [exact_index.build_index, ivf_index.build_index])
def test_search_lists_equal_top_lists_of_all_scores(
    arranged: Callable[[F32], exact_index.ExactIndex | ivf_index.IVFIndex],
) -> None:
    draw = np.random.default_rng(9)
    factors = draw.normal(size=(60, 5)).astype(np.float32)
    factors[7] = 0
    model = ALSModel(factors, ALSObjective())
    user_items = csr_array((draw.random((30, 60)) < 0.2) * draw.integers(0, 4, (30, 60)).astype(np.float32))
    catalogue = Catalogue(np.ones((60, 1), np.float32), np.zeros(60, np.int64))
    slowly = top_lists(model.score(Queries(user_items)), user_items, catalogue, MIN_RATING, 10, 0, uses_genre_profile=False)
    quickly = search_lists(model, arranged(factors), user_items, 10)
    for name in ("row", "genre", "item", "genre_profile"):
        np.testing.assert_array_equal(getattr(quickly, name), getattr(slowly, name))
    np.testing.assert_allclose(quickly.percentile, slowly.percentile, rtol=1e-6)
    np.testing.assert_array_equal(quickly.score, quickly.percentile)
    np.testing.assert_array_equal(explain_lists(model, user_items, quickly), explain_lists(model, user_items, slowly))
    assert set(explain_lists(model, user_items, quickly)[quickly.row == 0]) <= set(user_items[[0]].indices.tolist())
