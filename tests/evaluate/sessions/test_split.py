"""Training data end at the cutoff; queries hold what was played before, and nothing that follows."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal

from jobs.evaluate.sessions.split import DAY, SessionSplit, build_positions, sample_sessions, split_sessions
from models.data.sessions import PADDING, Sessions, build_sessions
from models.sessions import stan
from models.sessions.played import depth_for, without_played
from tests.evaluate.sessions.literal import N_ITEMS, ByPopularity, random_sessions

CUTOFF = 10 * DAY


def split_of(sessions: Sessions, days: float = 5.0) -> SessionSplit:
    return split_sessions(sessions, CUTOFF, days)


def test_a_session_across_the_cutoff_is_cut_and_is_no_test_session() -> None:
    times = np.array([CUTOFF - 20, CUTOFF - 10, CUTOFF + 10, CUTOFF, CUTOFF + 1])
    sessions = build_sessions(np.array([0, 0, 0, 1, 1]), np.arange(5), times, np.array([0, 0, 0, 1, 1]), 5, 2)
    split = split_of(sessions)
    assert split.train.items.tolist() == [0, 1]
    assert split.test.indptr.tolist() == [0, 2]
    assert split.test.items.tolist() == [PADDING, PADDING]


def test_sessions_are_ordered_by_their_ends_after_the_cut() -> None:
    times = np.array([1.0, CUTOFF + 5, 2.0, 3.0])
    sessions = build_sessions(np.array([0, 0, 1, 1]), np.arange(4), times, np.array([0, 0, 1, 1]), 4, 2)
    assert split_of(sessions).train.indptr.tolist() == [0, 1, 3]
    assert split_of(sessions).train.times.tolist() == [1, 2, 3]


def test_tracks_with_training_plays_are_numbered_anew() -> None:
    times = np.array([1.0, 2.0, CUTOFF, CUTOFF + 1])
    sessions = build_sessions(np.array([0, 0, 1, 1]), np.array([7, 3, 5, 7]), times, np.zeros(4, np.int64), 9, 1)
    split = split_of(sessions)
    assert split.train.n_items == 2
    assert split.train.items.tolist() == [1, 0]
    assert split.test.items.tolist() == [PADDING, 1]


def test_plays_after_the_cutoff_change_nothing_in_the_training_data() -> None:
    sessions = random_sessions(3)
    poisoned = replace(sessions, items=np.where(sessions.times >= CUTOFF, 0, sessions.items))
    for name in ("indptr", "items", "times", "users"):
        assert_array_equal(getattr(split_of(poisoned).train, name), getattr(split_of(sessions).train, name))


def test_plays_from_the_target_on_change_no_list() -> None:
    sessions = random_sessions(4)
    split = split_of(sessions)
    positions = build_positions(split, 0, 7, repeats=True)
    times = positions.queries.times[positions.queries.ends]
    row = int(np.argsort(times)[len(positions) // 2])
    lists = stan.fit(split.train, stan.DIRECTED_WITH_USER).recommend(positions.queries, 10)
    rng = np.random.default_rng(1)
    later = sessions.times >= times[row]
    poisoned = replace(sessions, items=np.where(later, rng.integers(0, N_ITEMS, later.size), sessions.items))
    split = split_of(poisoned)
    queries = build_positions(split, 0, 7, repeats=True).queries
    # the query with the same plays of session and past
    (same,) = np.flatnonzero(queries.times[queries.ends - 1] == positions.queries.times[positions.queries.ends[row] - 1])
    again = stan.fit(split.train, stan.DIRECTED_WITH_USER).recommend(queries[same : same + 1], 10)
    assert (again.items[0] != PADDING).any()
    assert_array_equal(again.items[0], lists.items[row])
    assert_array_equal(again.scores[0], lists.scores[row])


def test_the_past_has_sessions_of_one_play_of_the_test_days() -> None:
    times = np.array([1.0, CUTOFF + 1, CUTOFF + DAY, CUTOFF + DAY + 1])
    sessions = build_sessions(np.array([0, 1, 2, 2]), np.array([0, 0, 0, 0]), times, np.zeros(4, np.int64), 1, 1)
    queries = build_positions(split_of(sessions), 0, 7, repeats=True).queries
    assert (queries.past_ends - queries.past_starts).tolist() == [2]


def test_every_position_is_asked_once_and_the_rest_contains_the_target() -> None:
    split = split_of(random_sessions(5))
    positions = build_positions(split, 0, 7, repeats=True)
    known = np.isin(split.test.items, split.train.items)
    first = np.zeros(split.test.items.size, bool)
    first[split.test.indptr[:-1]] = True
    assert len(positions) == (known & ~first).sum()
    truth = positions.truth
    for row in range(len(positions)):
        assert truth.target[row] in truth.rest[truth.indptr[row] : truth.indptr[row + 1]]


def test_without_repeats_no_relevant_track_was_played_before() -> None:
    positions = build_positions(split_of(random_sessions(6)), 0, 7, repeats=False)
    queries, truth = positions.queries, positions.truth
    assert 0 < len(positions) < len(build_positions(split_of(random_sessions(6)), 0, 7, repeats=True))
    for row in range(len(positions)):
        played = queries.items[queries.starts[row] : queries.ends[row]]
        rest = truth.rest[truth.indptr[row] : truth.indptr[row + 1]]
        assert truth.target[row] not in played
        assert not np.isin(rest, played).any()


def test_tracks_without_training_plays_are_skipped_and_not_asked() -> None:
    times = np.array([1.0, 2.0, CUTOFF, CUTOFF + 1, CUTOFF + 2])
    items = np.array([0, 1, 0, 2, 1])
    sessions = build_sessions(np.array([0, 0, 1, 1, 1]), items, times, np.zeros(5, np.int64), 3, 1)
    positions = build_positions(split_of(sessions), 0, 7, repeats=True)
    assert positions.truth.target.tolist() == [1]
    assert positions.queries.padded(2, -9).tolist() == [[0, PADDING]]


def test_the_sample_does_not_depend_on_other_sessions() -> None:
    sessions = random_sessions(7)
    chosen = sample_sessions(sessions, 20, 7)
    assert chosen.sum() == 20
    assert (sessions.lengths[chosen] >= 2).all()
    # without a third of the other sessions the same ones are chosen
    rest = chosen | (np.arange(len(sessions)) % 3 > 0)
    np.testing.assert_array_equal(sample_sessions(sessions.select(rest), 20, 7), chosen[rest])
    assert not np.array_equal(chosen, sample_sessions(sessions, 20, 8))


def test_lists_without_played_tracks_keep_their_length() -> None:
    split = split_of(random_sessions(8))
    queries = build_positions(split, 0, 7, repeats=True).queries
    model = ByPopularity(split.train)
    lists = without_played(queries, model.recommend(queries, depth_for(queries, 5)), 5)
    n_known = np.unique(split.train.items).size
    for row in range(len(queries)):
        played = set(queries.items[queries.starts[row] : queries.ends[row]].tolist())
        listed = [item for item in lists.items[row].tolist() if item != PADDING]
        assert not played & set(listed)
        assert len(listed) == min(5, n_known - len(played - {PADDING}))
