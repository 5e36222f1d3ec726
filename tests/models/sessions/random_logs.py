"""Random session logs and queries for the oracles, and the checks that every session model must pass."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal
from safetensors.numpy import load, save

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions, build_sessions, every_position
from models.protocol import SessionModel
from models.types import I64, Tensors

N_ITEMS, N_USERS = 14, 5
UNPLAYED = N_ITEMS - 1
"""An item of the catalogue that no session has."""
HOUR = 3_600.0


def random_log(seed: int, n_sessions: int = 60) -> tuple[Sessions, SessionQueries]:
    """Return training sessions, and queries at every position of later sessions.

    Sessions have 1 to 8 plays, with repeats and equal times. Queries have unknown items and unknown users.
    """
    rng = np.random.default_rng(seed)
    train = _draw(rng, n_sessions, 0.0, N_ITEMS - 1, N_USERS)
    return train, every_position(_draw(rng, 40, 2_000 * HOUR, N_ITEMS + 3, N_USERS + 2), train)[0]


def _draw(rng: np.random.Generator, n_sessions: int, start: float, n_items: int, n_users: int) -> Sessions:
    """Return random sessions; items that are near in number follow each other, as in real sessions."""
    lengths = rng.integers(1, 9, n_sessions)
    session = np.repeat(np.arange(n_sessions), lengths)
    times = start + HOUR * rng.integers(0, 1_500, n_sessions)[session] + 60.0 * rng.integers(0, 6, session.size)
    items = (rng.integers(0, n_items, n_sessions)[session] + rng.integers(0, 5, session.size)) % n_items
    items[items == UNPLAYED] = 0
    users = rng.integers(0, n_users, n_sessions)[session]
    return build_sessions(session, items, times, users, max(n_items, N_ITEMS), n_users)


def prefix(queries: SessionQueries, query: int) -> list[int]:
    """Return the known items of a query's session, oldest first."""
    return [item for item in queries.items[queries.starts[query] : queries.ends[query]].tolist() if item != PADDING]


def query_time(queries: SessionQueries, query: int) -> float:
    return float(queries.times[queries.ends[query] - 1])


def train_lists(sessions: Sessions) -> list[list[int]]:
    """Return the items of each session."""
    return [part.tolist() for part in np.split(sessions.items, sessions.indptr[1:-1])]


def best(scores: Mapping[int, float], k: int) -> list[tuple[int, float]]:
    """Return the k best items with scores above 0, rounded to float32; ties by item id."""
    rounded = {item: float(np.float32(score)) for item, score in scores.items() if np.float32(score) > 0}
    return sorted(rounded.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def lists(ranked: RankedItems) -> list[list[int]]:
    """Return the items of each list."""
    return [row[row != PADDING].tolist() for row in ranked.items]


def assert_equals_oracle(
    fit: Callable[[Sessions], SessionModel],
    oracle: Callable[[Sessions], Callable[[SessionQueries, int], Mapping[int, float]]],
    k: int = 6,
) -> None:
    """Check lists and scores of 500 queries. `oracle(sessions)(queries, query)`: scores by item."""
    n_queries = 0
    for seed in range(4):
        train, queries = random_log(seed)
        ranked, scores_of = fit(train).recommend(queries, k), oracle(train)
        for query in range(len(queries)):
            expected = best(scores_of(queries, query), k)
            assert lists(ranked)[query] == [item for item, _ in expected], f"query {query}: {expected}"
            np.testing.assert_allclose(ranked.scores[query, : len(expected)], [s for _, s in expected], rtol=1e-6)
            assert np.isneginf(ranked.scores[query, len(expected) :]).all()
        n_queries += len(queries)
    assert n_queries > 500


def log_of(*sessions: list[int], n_items: int = 5) -> Sessions:
    """Return sessions of user 0 with one play a minute, one session an hour."""
    lengths = [len(items) for items in sessions]
    session = np.repeat(np.arange(len(sessions)), lengths)
    times = HOUR * session + np.concatenate([60.0 * np.arange(length) for length in lengths])
    return build_sessions(session, np.concatenate(sessions), times, np.zeros_like(session), n_items, 1)


def list_after(model: SessionModel, *items: int, k: int = 5) -> list[int]:
    """Return the list after a session of these items that begins a day after `log_of`'s first; unknown user, no past."""
    times = 24 * HOUR + 60.0 * np.arange(len(items), dtype=np.float64)
    one = np.zeros(1, np.int64)
    queries = SessionQueries(np.array(items), times, one, one + len(items), one, one, one - 1)
    return lists(model.recommend(queries, k))[0]


def assert_same(a: RankedItems, b: RankedItems) -> None:
    assert_array_equal(a.items, b.items)
    assert_array_equal(a.scores, b.scores)


def assert_contract(
    fit: Callable[[Sessions, int], SessionModel],
    restore: Callable[[Tensors], SessionModel],
    k: int = 6,
    uses_newest: bool = True,
) -> None:
    """Check what every session model guarantees.

    `fit(sessions, threads)`; `restore(tensors)`; `uses_newest`: the newest play changes lists.
    """
    train, queries = random_log(1)
    model = fit(train, 1)
    ranked = model.recommend(queries, k)
    assert_same(ranked, model.recommend(queries, k))
    assert_same(ranked, fit(train, 2).recommend(queries, k))
    n_changed = 0
    for query in range(0, len(queries), 7):
        one = model.recommend(queries[query : query + 1], k)
        assert_array_equal(one.items[0], ranked.items[query])
        assert_array_equal(one.scores[0], ranked.scores[query])
        end = int(queries.ends[query])
        assert_same(_changed(queries, query, np.arange(end, queries.items.size), model, k), one)
        n_changed += not np.array_equal(_changed(queries, query, np.array([end - 1]), model, k).scores, one.scores)
    assert uses_newest == (n_changed > 10)
    assert UNPLAYED not in ranked.items
    assert_array_equal(model.recommend(queries, 3).items, ranked.items[:, :3])
    assert (ranked.scores[:, 1:] <= ranked.scores[:, :-1]).all()
    assert (ranked.items[:, 0] >= 0).mean() > 0.5
    assert_same(ranked, restore(load(save(model.tensors()))).recommend(queries, k))


def _changed(queries: SessionQueries, query: int, plays: I64, model: SessionModel, k: int) -> RankedItems:
    """Rank one query with other items, and later times, in place of some plays."""
    items, times = queries.items.copy(), queries.times.copy()
    items[plays], times[plays] = (items[plays] + 5) % UNPLAYED, times[plays] + 1e6
    return model.recommend(replace(queries, items=items, times=times)[query : query + 1], k)
