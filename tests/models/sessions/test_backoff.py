"""The learned back-off, against its recursion and its likelihood."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from models.data.sessions import PADDING, SessionQueries, Sessions, every_position
from models.sessions import backoff
from models.sessions.backoff import BackoffConfig, BackoffParameters
from models.sessions.interpolation import InterpolatedNGrams
from tests.models.sessions.random_logs import (
    N_ITEMS,
    assert_contract,
    assert_equals_oracle,
    list_after,
    log_of,
    prefix,
    random_log,
    train_lists,
)

PARAMETERS = BackoffParameters(np.array([0.9, 0.6, 0.3]), np.array([5.0, 0.5, 0.0]), 0.7, 3.0)
CONFIGS: dict[str, BackoffConfig] = {
    "default": BackoffConfig(),
    "recent": BackoffConfig(recency_days=10.0),
    "n-grams alone": BackoffConfig(skip_steps=0),
    "short": BackoffConfig(skip_steps=3, skips_per_item=2, max_gap=2, skip_weighting="div"),
}


def pair_weight(config: BackoffConfig, d: int) -> float:
    return 1 / d if config.skip_weighting == "div" else 1 / math.log10(d + 1.7)


def skip_shares(config: BackoffConfig, train: list[list[int]], weights: list[float]) -> dict[int, dict[int, float]]:
    """Return the stored entries of S."""
    pairs: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for items, weight in zip(train, weights, strict=True):
        for i, a in enumerate(items):
            for j, b in enumerate(items):
                if 0 < abs(j - i) <= config.skip_steps:
                    pairs[a][b] += weight * pair_weight(config, abs(j - i))
    shares = {a: {b: float(np.float32(x / sum(row.values()))) for b, x in row.items()} for a, row in pairs.items()}
    return {
        a: {b: row[b] for b in sorted(row, key=lambda b: (-row[b], b))[: config.skips_per_item]}
        for a, row in shares.items()
    }


def oracle(config: BackoffConfig, sessions: Sessions) -> Callable[[SessionQueries, int], Mapping[int, float]]:
    train = train_lists(sessions)
    age = (sessions.ends.max() - sessions.ends) / 86_400
    weights = [math.exp(-a / config.recency_days) if config.recency_days else 1.0 for a in age.tolist()]
    skip = skip_shares(config, train, weights)
    c: dict[tuple[int, ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for items, weight in zip(train, weights, strict=True):
        for i, item in enumerate(items):
            for d in range(min(i, config.depth) + 1):
                c[tuple(items[i - d : i])][item].append(weight)

    def base(plays: list[int]) -> dict[int, float]:
        n, mu = sum(map(sum, c[()].values())), PARAMETERS.root_weight
        newest = plays[::-1][: config.max_gap] if config.skip_steps else []
        w = [math.exp(-g / PARAMETERS.gap_decay) for g in range(len(newest))]
        return {
            i: (mu * sum(own) / n + sum(w_g * skip.get(x, {}).get(i, 0.0) for w_g, x in zip(w, newest, strict=True)))
            / (mu + sum(w))
            for i, own in c[()].items()
        }

    def scores_of(queries: SessionQueries, query: int) -> Mapping[int, float]:
        plays = prefix(queries, query)
        p = base(plays)
        for d in range(1, min(config.depth, len(plays)) + 1):
            row = c.get(tuple(plays[len(plays) - d :]), {})
            if not row:
                break
            D, kappa = PARAMETERS.discount[d - 1], PARAMETERS.strength[d - 1]
            n, m = sum(map(sum, row.values())), {i: sum(x) / len(x) for i, x in row.items()}
            mass = D * sum(m.values()) + kappa
            p = {i: (sum(row.get(i, [])) - D * m.get(i, 0.0) + mass * p[i]) / (n + kappa) for i in p}
        return p

    return scores_of


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("k", [6, 20])
def test_lists_equal_those_of_the_recursion(config: BackoffConfig, k: int) -> None:
    assert_equals_oracle(lambda sessions: backoff.build(sessions, config, PARAMETERS), partial(oracle, config), k)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_backoff_keeps_the_contract(config: BackoffConfig) -> None:
    assert_contract(lambda sessions, threads: backoff.fit(sessions, config, threads), InterpolatedNGrams.from_tensors)


def log_likelihood(sessions: Sessions, config: BackoffConfig, parameters: BackoffParameters) -> float:
    """Return the mean log of the model's scores of the held-out plays that it can list."""
    n_held_out = int(config.held_out_share * len(sessions))
    is_held_out = np.arange(len(sessions)) >= len(sessions) - n_held_out
    train = sessions.select(~is_held_out)
    queries, _ = every_position(sessions.select(is_held_out), train)
    ranked = backoff.build(train, config, parameters).recommend(queries, N_ITEMS)
    listed = ranked.items == queries.items[queries.ends][:, None]
    assert listed.sum() > 50
    return float(np.log(ranked.scores[listed]).mean())


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_parameters_maximize_the_likelihood_of_the_newest_sessions(config: BackoffConfig) -> None:
    sessions, _ = random_log(5, n_sessions=400)
    fitted = backoff.fit_parameters(sessions, config)
    best = log_likelihood(sessions, config, fitted)
    for factor in (0.7, 1.4):
        for field in ("root_weight", "gap_decay", "strength", "discount"):
            changed = replace(
                fitted, **{field: np.minimum(getattr(fitted, field) * factor, 0.999 if field == "discount" else 1e9)}
            )
            assert log_likelihood(sessions, config, changed) <= best + 1e-4


def test_newest_sessions_change_the_scores() -> None:
    sessions, queries = random_log(6)
    a = backoff.fit(sessions, BackoffConfig())
    b = backoff.fit(sessions.select(np.arange(len(sessions)) < len(sessions) - 20), BackoffConfig())
    assert not np.array_equal(a.recommend(queries, 6).scores, b.recommend(queries, 6).scores)


def test_a_literal_model() -> None:
    # order 0: 2/5, 2/5, 1/5; after 0: 1 twice, D = 0.5, kappa = 1: (2 - 0.5 + 1.5 P_0(1)) / 3
    parameters = BackoffParameters(np.array([0.5]), np.array([1.0]), 1.0, 1.0)
    train = log_of([0, 1], [0, 1], [2])
    model = backoff.build(train, BackoffConfig(1, 0), parameters)
    queries, _ = every_position(log_of([0, 0]), train)
    ranked = model.recommend(queries, 3)
    assert ranked.items.tolist() == [[1, 0, 2]]
    p1, p0, p2 = (1.5 + 1.5 * 0.4) / 3, 1.5 * 0.4 / 3, 1.5 * 0.2 / 3
    np.testing.assert_allclose(ranked.scores, [[p1, p0, p2]], rtol=1e-6)
    assert math.isclose(p1 + p0 + p2, 1.0)
    assert list_after(model, PADDING) == [0, 1, 2]


def test_scores_of_all_items_sum_to_one() -> None:
    train, queries = random_log(7)
    model = backoff.build(train, replace(CONFIGS["default"], skips_per_item=99), PARAMETERS)
    known = [q for q in range(len(queries)) if prefix(queries, q)]
    sums = np.maximum(model.recommend(queries[np.array(known)], N_ITEMS).scores, 0).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-5)


def test_too_little_data_gives_the_initial_parameters() -> None:
    fitted = backoff.fit_parameters(log_of([0, 1]), BackoffConfig())
    assert fitted.discount.tolist() == [0.5] * 3
    assert list_after(backoff.fit(log_of([0, 1]), BackoffConfig()), 0) == [1, 0]
