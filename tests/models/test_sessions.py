"""Sessions in play order, and queries at every position."""

import numpy as np
from numpy.testing import assert_array_equal

from models.data.sessions import PADDING, SessionQueries, build_sessions, every_position

# sessions of user 0: 7 and 3; of user 1: 5. Session 7 has two plays at one time.
SESSION = np.array([7, 7, 3, 3, 5, 7])
ITEMS = np.array([2, 1, 0, 2, 1, 0])
TIMES = np.array([50.0, 50.0, 10.0, 20.0, 30.0, 60.0])
USERS = np.array([0, 0, 0, 0, 1, 0])


def test_sessions_are_ordered_by_end_and_plays_by_time_then_item() -> None:
    sessions = build_sessions(SESSION, ITEMS, TIMES, USERS, 3, 2)
    assert sessions.indptr.tolist() == [0, 2, 3, 6]
    assert sessions.items.tolist() == [0, 2, 1, 1, 2, 0]
    assert sessions.users.tolist() == [0, 1, 0]
    assert sessions.ends.tolist() == [20, 30, 60]


def test_order_of_rows_does_not_change_sessions() -> None:
    sessions = build_sessions(SESSION, ITEMS, TIMES, USERS, 3, 2)
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(SESSION.size)
        shuffled = build_sessions(SESSION[rows], ITEMS[rows], TIMES[rows], USERS[rows], 3, 2)
        assert_array_equal(shuffled.items, sessions.items)
        assert_array_equal(shuffled.indptr, sessions.indptr)


def test_select_keeps_the_chosen_sessions() -> None:
    sessions = build_sessions(SESSION, ITEMS, TIMES, USERS, 3, 2)
    selected = sessions.select(np.array([True, False, True]))
    assert selected.items.tolist() == [0, 2, 1, 2, 0]
    assert selected.indptr.tolist() == [0, 2, 5]
    assert selected.users.tolist() == [0, 0]


def parts(queries: SessionQueries, query: int) -> tuple[list[int], list[int]]:
    """Return past and session of a query."""
    past = queries.items[queries.past_starts[query] : queries.past_ends[query]]
    return past.tolist(), queries.items[queries.starts[query] : queries.ends[query]].tolist()


def test_every_position_has_the_plays_before_it_and_sessions_that_ended_before() -> None:
    earlier = build_sessions(SESSION, ITEMS, TIMES, USERS, 3, 2)
    # user 0: session 1 overlaps session 2; user 2 and item 3 are new
    session = np.array([1, 1, 2, 2, 2, 9, 9])
    items = np.array([0, 1, 3, 2, 1, 1, 0])
    times = np.array([70.0, 90.0, 80.0, 81.0, 95.0, 100.0, 101.0])
    users = np.array([0, 0, 0, 0, 0, 2, 2])
    tested = build_sessions(session, items, times, users, 4, 3)
    queries, session_ends = every_position(tested, earlier)
    past = [0, 2, 1, 2, 0]
    assert [parts(queries, q) for q in range(len(queries))] == [
        (past, [0]),
        (past, [PADDING]),
        (past, [PADDING, 2]),
        ([], [1]),
    ]
    assert queries.items[queries.ends].tolist() == [1, 2, 1, 0]
    assert (session_ends - queries.ends).tolist() == [1, 2, 1, 1]
    assert queries.users.tolist() == [0, 0, 0, -1]
    first, _ = every_position(tested, earlier, np.array([False, False, True]))
    assert parts(first, 0) == parts(queries, 3 if tested.users[2] == 2 else 0)
    alone = queries.session_alone()
    assert parts(alone, 2) == ([], [PADDING, 2])
    assert alone.users.tolist() == [-1] * 4


def test_padded_queries_end_with_the_newest_play() -> None:
    sessions = build_sessions(np.zeros(4, np.int64), np.arange(4), np.arange(4.0), np.zeros(4, np.int64), 4, 1)
    queries, _ = every_position(sessions, sessions.select(np.zeros(1, bool)))
    assert queries.padded(2, 9).tolist() == [[9, 0], [0, 1], [1, 2]]
    assert queries[1:].padded(4, 9).tolist() == [[9, 9, 0, 1], [9, 0, 1, 2]]
