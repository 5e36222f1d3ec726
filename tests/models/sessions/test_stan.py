"""STAN, VSTAN and the directed variant, against their formulas."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from models.data.sessions import PADDING, SessionQueries, Sessions
from models.sessions import stan
from models.sessions.stan import STAN_HR, STAN_MRR, VSTAN_HR, VSTAN_MRR, Stan, StanConfig
from tests.models.sessions.random_logs import (
    assert_contract,
    assert_equals_oracle,
    list_after,
    lists,
    log_of,
    prefix,
    query_time,
    train_lists,
)

SMALL_DIRECTED = StanConfig(
    10, 30, 3.0, 20.0, 2.0, 1.5, 0.5, "newest", 0.4, 1.0, (0.0, 0.3, 0.8), own_session_boost=3.0, extend_to=4
)
CONFIGS: dict[str, StanConfig] = {
    "stan hr": STAN_HR,
    "stan mrr": STAN_MRR,
    "vstan hr": VSTAN_HR,
    "vstan mrr": VSTAN_MRR,
    "few": replace(VSTAN_HR, neighbors=5, sample_size=12, lambda_ipw=2.0),
    "directed": stan.DIRECTED,
    "directed with users": SMALL_DIRECTED,
    "directed at the last common item": replace(SMALL_DIRECTED, anchor="last"),
    "own sessions": replace(STAN_HR, own_session_boost=2.5, neighbors=10),
    "extended": replace(VSTAN_HR, extend_to=7, lambda_ipw=4.0),
}


def oracle(config: StanConfig, sessions: Sessions) -> Callable[[SessionQueries, int], Mapping[int, float]]:
    train = train_lists(sessions)
    n_plays = np.bincount(sessions.items, minlength=sessions.n_items).tolist()

    def extended(queries: SessionQueries, query: int) -> list[int]:
        past = queries.items[queries.past_starts[query] : queries.past_ends[query]]
        n_missing = config.extend_to - len(prefix(queries, query))
        return [item for item in past.tolist() if item != PADDING][-n_missing:] if n_missing > 0 else []

    def similarities(queries: SessionQueries, query: int, gap: dict[int, int]) -> dict[int, float]:
        union = [s for s, items in enumerate(train) if set(items) & set(gap)]
        v = {item: math.exp(-g / config.lambda_spw) for item, g in gap.items()}
        norm, result = math.sqrt(sum(x * x for x in v.values())), {}
        for s in union[-config.sample_size :]:
            age = max(0.0, query_time(queries, query) - float(sessions.ends[s])) / 86_400
            total = sum(v[item] for item in set(train[s]) & set(gap))
            result[s] = total / (norm * math.sqrt(len(set(train[s])))) * math.exp(-age / config.lambda_snh)
            if sessions.users[s] == queries.users[query]:
                result[s] *= 1 + config.own_session_boost
        similar = {s: float(np.float32(value)) for s, value in result.items() if np.float32(value) > 0}
        return {s: result[s] for s in sorted(similar, key=lambda s: (-similar[s], -s))[: config.neighbors]}

    def scores_of(queries: SessionQueries, query: int) -> Mapping[int, float]:
        plays = extended(queries, query) + prefix(queries, query)
        gap = {item: len(plays) - i for i, item in enumerate(plays, start=1)}
        played = {item: len(prefix(queries, query)) - i for i, item in enumerate(prefix(queries, query), start=1)}
        scores: dict[int, float] = defaultdict(float)
        for s, similarity in similarities(queries, query, gap).items():
            position = {item: i for i, item in enumerate(train[s], start=1)}
            common = [item for item in position if item in gap]
            newest = min(common, key=lambda item: gap[item])
            star = position[newest] if config.anchor == "newest" else max(position[item] for item in common)
            match = math.exp(-gap[newest] / config.lambda_ipw) if config.lambda_ipw else 1.0
            for item, p in position.items():
                inh = config.lambda_inh if p >= star else config.lambda_inh_backward or config.lambda_inh
                f = math.exp(-abs(p - star) / inh) * (1.0 if p >= star else config.backward_weight)
                idf = math.log(len(train) / n_plays[item])
                scores[item] += similarity * f * match * (1 + config.idf_weight * idf)
        for item in scores.keys() & played.keys() if config.played_factors else ():
            index = min(int(math.log2(played[item] + 1)), len(config.played_factors) - 1)
            scores[item] *= config.played_factors[index]
        return scores

    return scores_of


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_lists_equal_those_of_the_formula(config: StanConfig) -> None:
    assert_equals_oracle(lambda sessions: stan.fit(sessions, config), partial(oracle, config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_neighbors_keep_the_contract(config: StanConfig) -> None:
    assert_contract(
        lambda sessions, threads: stan.fit(sessions, config, threads),
        lambda tensors: Stan.from_tensors(tensors, config),
    )


def test_stan_of_a_literal_log() -> None:
    # after (0, 1): [4, 1, 3] matches 1 at position 2; both others have distance 1, and the lower id is first
    model = stan.fit(log_of([4, 1, 3], n_items=6), STAN_HR)
    assert list_after(model, 0, 1) == [1, 3, 4]


def test_directed_lists_prefer_what_followed() -> None:
    train = log_of([2, 1, 3], n_items=6)
    assert list_after(stan.fit(train, STAN_HR), 1) == [1, 2, 3]
    assert list_after(stan.fit(train, replace(STAN_HR, backward_weight=0.5)), 1) == [1, 3, 2]
    assert list_after(stan.fit(train, replace(STAN_HR, backward_weight=0.0)), 1) == [1, 3]
    assert list_after(stan.fit(train, replace(STAN_HR, lambda_inh_backward=0.1)), 1) == [1, 3, 2]


def test_played_factors_are_those_of_the_number_of_plays_ago() -> None:
    train = log_of([1, 2, 3, 4], n_items=6)
    assert list_after(stan.fit(train, STAN_HR), 1, 2, 3)[0] == 3
    factors = replace(STAN_HR, played_factors=(0.0, 1e-6))
    scores = stan.fit(train, factors)
    assert list_after(scores, 1, 2, 3) == [4, 2, 1]
    assert list_after(stan.fit(train, replace(STAN_HR, played_factors=(0.0,))), 1, 2, 3) == [4]


def test_sessions_of_the_same_user_count_more() -> None:
    train = log_of([0, 1], [0, 2], n_items=4)
    train = replace(train, users=np.array([1, 0]), n_users=2)
    items, times, one = np.array([0]), np.array([1e5]), np.zeros(1, np.int64)

    def items_for(user: int, boost: float) -> list[int]:
        model = stan.fit(train, replace(STAN_HR, own_session_boost=boost))
        queries = SessionQueries(items, times, one, one + 1, one, one, one + user)
        return lists(model.recommend(queries, 3))[0]

    assert items_for(1, 0.0) == items_for(-1, 9.0) == [0, 2, 1]
    assert items_for(1, 0.5) == [0, 1, 2]
    assert items_for(0, 0.5) == [0, 2, 1]


def test_short_sessions_are_extended_by_the_newest_past_plays() -> None:
    train = log_of([0, 1], [2, 3], n_items=5)
    items, times, one = np.array([0, 2, 4]), 1e5 + np.arange(3.0), np.zeros(1, np.int64)
    queries = SessionQueries(items, times, one + 2, one + 3, one, one + 2, one - 1)
    for extend_to, expected in ((0, []), (1, []), (2, [2, 3]), (3, [2, 3, 0, 1])):
        model = stan.fit(train, replace(STAN_HR, extend_to=extend_to))
        assert lists(model.recommend(queries, 5))[0] == expected
