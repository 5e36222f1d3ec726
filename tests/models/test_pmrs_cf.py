"""PMRS's lists against a plain reading of the equations, and a checkerboard whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.pmrs_cf import Catalogue, Listener, genre_profile, percentiles, top_lists
from models.top_n import Floats

NOBODY = Listener(np.array([], np.int64), np.array([], np.int64), np.array([], np.float32))


def make(seed: int, tracks: int = 40, genres: int = 3, heard: int = 6) -> tuple[Floats, Catalogue, Listener]:
    """Scores [1, I], the catalogue and one user."""
    rng = np.random.default_rng(seed)
    genre = rng.integers(0, genres + 1, tracks)
    probabilities = np.zeros((tracks, genres + 1), dtype=np.float32)
    soft = rng.dirichlet(np.ones(genres), tracks).astype(np.float32)
    known = genre < genres
    probabilities[known, :genres] = soft[known]
    probabilities[~known, genres] = 1
    genre = np.where(known, probabilities[:, :genres].argmax(axis=1), genres)
    factors = rng.normal(size=(tracks, 4)).astype(np.float32)
    items = np.sort(rng.choice(tracks, heard, replace=False))
    ratings = rng.integers(0, 5, heard).astype(np.float32)
    liked = ratings >= 1
    scores = rng.normal(size=(1, 4)).astype(np.float32) @ factors.T
    return scores, Catalogue(probabilities, genre), Listener(items, items[liked], ratings[liked])


def by_hand(
    scores: Floats, catalogue: Catalogue, user: Listener, genre: int, most: int, by_taste: bool = True
) -> list[int]:
    """Equations as they are read in the module's docstring, one track at a time."""
    scores = scores[0]
    unheard = [t for t in range(len(scores)) if t not in set(user.heard.tolist())]
    order = sorted(unheard, key=lambda t: (-scores[t], t))
    share = {t: (len(order) - place) / len(order) for place, t in enumerate(order)}
    theta = genre_profile(user, catalogue)
    if genre < 0:
        fit = catalogue.genre_probabilities @ theta if by_taste else np.ones(len(scores))
        value = {t: float(fit[t]) * share[t] for t in unheard}
    else:
        value = {
            t: float(catalogue.genre_probabilities[t, genre]) * share[t] for t in unheard if catalogue.genre[t] == genre
        }
    return sorted(value, key=lambda t: (-np.float32(value[t]), -share[t], t))[:most]


@pytest.mark.parametrize("by_taste", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_lists_follow_the_equations(seed: int, by_taste: bool) -> None:
    scores, catalogue, user = make(seed)
    for picks in next(iter(top_lists(scores, [user], catalogue, 5, 3, by_taste))):
        wanted = by_hand(scores, catalogue, user, picks.genre, 5 if picks.genre < 0 else 3, by_taste)
        assert picks.items.tolist() == wanted


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), heard=st.integers(0, 39), most=st.integers(1, 60))
def test_never_a_heard_track_and_never_short(seed: int, heard: int, most: int) -> None:
    scores, catalogue, user = make(seed, heard=heard)
    lists = next(iter(top_lists(scores, [user], catalogue, most, most)))
    for picks in lists:
        inside = np.arange(40) if picks.genre < 0 else np.flatnonzero(catalogue.genre == picks.genre)
        assert not set(picks.items.tolist()) & set(user.heard.tolist())
        assert len(picks.items) == min(most, len(set(inside.tolist()) - set(user.heard.tolist())))
        assert len(set(picks.items.tolist())) == len(picks.items)


def test_a_batch_gives_what_each_user_alone_gives() -> None:
    made = [make(1, heard=n) for n in (0, 3, 9)]
    scores, catalogue, users = np.concatenate([m[0] for m in made]), made[0][1], [m[2] for m in made]
    together = list(top_lists(scores, users, catalogue, 5, 3))
    for row, (user, lists) in enumerate(zip(users, together, strict=True)):
        for alone, both in zip(
            next(iter(top_lists(scores[row : row + 1], [user], catalogue, 5, 3))), lists, strict=True
        ):
            assert alone.items.tolist() == both.items.tolist()


def test_percentiles_rank_unheard_tracks_with_ties_by_id() -> None:
    user = Listener(np.array([0]), np.array([0]), np.array([1.0], np.float32))
    found = percentiles(np.array([[1.0, 2.0, 2.0, -3.0]], np.float32), [user])
    assert found.tolist() == [[-1.0, 1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)]]


def test_a_track_of_which_nothing_is_known_is_not_offered() -> None:
    catalogue = Catalogue(np.ones((4, 1), np.float32), np.ones(4, np.int64))
    (picks,) = next(
        iter(top_lists(np.array([[0.0, 0.5, 0.0, -1.0]], np.float32), [NOBODY], catalogue, 4, 4, by_taste=False))
    )
    assert picks.items.tolist() == [1, 3]


def test_negative_scores_do_not_invert_a_list() -> None:
    catalogue = Catalogue(np.array([[1, 0], [1, 0]], np.float32), np.zeros(2, np.int64))
    lists = next(iter(top_lists(np.array([[-1.0, -2.0]], np.float32), [NOBODY], catalogue, 2, 2)))
    assert lists[1].items.tolist() == [0, 1]


def test_the_genre_profile_weighs_by_rating() -> None:
    catalogue = Catalogue(np.array([[1, 0], [0, 1]], np.float32), np.array([0, 1]))
    user = Listener(np.array([0, 1]), np.array([0, 1]), np.array([3.0, 1.0], np.float32))
    assert genre_profile(user, catalogue).tolist() == [0.75, 0.25]
