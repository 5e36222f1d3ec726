"""Popularity of all users and of the query's user, against the formulas."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest

from models.data.sessions import PADDING, SessionQueries, Sessions
from models.sessions import popularity
from models.sessions.popularity import OwnPlaysConfig, PopularityConfig
from tests.models.sessions.random_logs import (
    N_ITEMS,
    UNPLAYED,
    assert_contract,
    best,
    list_after,
    lists,
    log_of,
    query_time,
    random_log,
)


def own_plays(queries: SessionQueries, query: int, decay: float, min_age: float) -> Mapping[int, float]:
    """Return the sum of powers of each item, by the formula."""
    sums: dict[int, float] = defaultdict(float)
    past = range(queries.past_starts[query], queries.past_ends[query])
    for play in [*past, *range(queries.starts[query], queries.ends[query])]:
        if queries.items[play] != PADDING:
            age = query_time(queries, query) - queries.times[play]
            sums[int(queries.items[play])] += max(age, min_age) ** -decay
    return sums


@pytest.mark.parametrize("config", [OwnPlaysConfig(), OwnPlaysConfig(decay=0.0), OwnPlaysConfig(2.0, 90.0)], ids=str)
def test_own_plays_equal_the_formula(config: OwnPlaysConfig) -> None:
    n_queries = 0
    for seed in range(4):
        train, queries = random_log(seed)
        ranked = popularity.fit_own_plays(train, config).recommend(queries, 6)
        for query in range(len(queries)):
            expected = best(own_plays(queries, query, config.decay, config.min_age), 6)
            assert lists(ranked)[query] == [item for item, _ in expected]
            logs = [math.log(score) for _, score in expected]
            np.testing.assert_allclose(ranked.scores[query, : len(expected)], logs, rtol=1e-5, atol=1e-5)
        n_queries += len(queries)
    assert n_queries > 500


def test_own_plays_keep_the_contract() -> None:
    def fit(sessions: Sessions, threads: int) -> popularity.OwnPlays:
        return popularity.fit_own_plays(sessions, OwnPlaysConfig(), threads)

    assert_contract(fit, lambda _: popularity.OwnPlays(N_ITEMS, OwnPlaysConfig()))


def test_own_plays_of_a_literal_session() -> None:
    # ages 120, 60 and 0 s: item 0 has 120^-1 + 1^-1, item 1 has 60^-1
    train = log_of([0, 1])
    model = popularity.fit_own_plays(train, OwnPlaysConfig(decay=1.0))
    assert list_after(model, 0, 1, 0) == [0, 1]
    assert list_after(model, 0, 0, 1) == [1, 0]
    assert list_after(popularity.fit_own_plays(train, OwnPlaysConfig(decay=0.0)), 0, 0, 1) == [0, 1]
    assert list_after(model, PADDING) == []


def test_past_plays_count_only_with_the_user() -> None:
    train, queries = random_log(3)
    model = popularity.fit_own_plays(train, OwnPlaysConfig(decay=0.0))
    with_past = np.flatnonzero(queries.past_ends - queries.past_starts > 20)
    assert with_past.size
    n_with, n_alone = (
        (model.recommend(q[with_past], 14).items != PADDING).sum() for q in (queries, queries.session_alone())
    )
    assert n_with > n_alone


def counts(sessions: Sessions, days: float) -> dict[int, float]:
    newest = max(sessions.times.tolist())
    plays: dict[int, float] = defaultdict(float)
    for item, time in zip(sessions.items.tolist(), sessions.times.tolist(), strict=True):
        plays[item] += not days or time >= newest - days * 86_400
    return plays


@pytest.mark.parametrize("days", [0.0, 7.0, 20.0])
def test_popularity_counts_the_plays_of_the_period(days: float) -> None:
    for seed in range(4):
        train, queries = random_log(seed)
        ranked = popularity.fit(train, PopularityConfig(days)).recommend(queries, 20)
        expected = best(counts(train, days), 20)
        assert lists(ranked) == [[item for item, _ in expected]] * len(queries)
        assert ranked.scores[0, : len(expected)].tolist() == [score for _, score in expected]
        assert UNPLAYED not in ranked.items


@pytest.mark.parametrize("days", [0.0, 7.0])
def test_popularity_keeps_the_contract(days: float) -> None:
    def fit(days: float, sessions: Sessions, _: int) -> popularity.Popularity:
        return popularity.fit(sessions, PopularityConfig(days))

    contract_fit: Callable[[Sessions, int], popularity.Popularity] = partial(fit, days)
    assert_contract(contract_fit, popularity.Popularity.from_tensors, uses_newest=False)
