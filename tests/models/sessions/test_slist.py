"""SLIST, against its normal equations in dense float64."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from models.data.sessions import PADDING, SessionQueries, Sessions
from models.protocol import CatalogTooLargeError
from models.sessions import slist
from models.sessions.slist import MAX_ITEMS, Slist, SlistConfig
from models.types import F64
from tests.models.sessions.random_logs import (
    assert_contract,
    list_after,
    lists,
    log_of,
    prefix,
    random_log,
    train_lists,
)

CONFIGS: dict[str, SlistConfig] = {
    "default": SlistConfig(),
    "part": SlistConfig(direction="part", alpha=0.3, train_weight=0.5),
    "no recency": SlistConfig(session_weight=0.0, predict_weight=4.0),
    "targets as in the code": SlistConfig(normalize_targets=False, regularization=1.0),
    "slit": SlistConfig(alpha=0.0, session_weight=5.0),
    "slis": SlistConfig(alpha=1.0),
}


def weights_of(sessions: Sessions, config: SlistConfig) -> F64:
    """Return B by the formula."""
    X, Y, w = [], [], []
    for items, end in zip(train_lists(sessions), sessions.ends.tolist(), strict=True):
        age = (float(sessions.ends.max()) - end) / 86_400
        weight = math.exp(-age / config.session_weight) if config.session_weight else 1.0
        x = np.zeros(sessions.n_items)
        x[items] = 1
        X.append(math.sqrt(config.alpha) * x / x.sum())
        Y.append(math.sqrt(config.alpha) * x / (x.sum() if config.normalize_targets else 1))
        w.append(weight)
        for t in range(len(items) - 1):
            x, y = np.zeros(sessions.n_items), np.zeros(sessions.n_items)
            for s, item in enumerate(items):
                if s == t or (s < t and config.direction == "part"):
                    x[item] += math.exp(-(t - s) / config.train_weight)
                if s > t:
                    y[item] += math.exp(-(s - t - 1) / config.train_weight)
            X.append(math.sqrt(1 - config.alpha) * x / x.sum())
            Y.append(math.sqrt(1 - config.alpha) * y / (y.sum() if config.normalize_targets else 1))
            w.append(weight)
    x, y, scale = np.array(X), np.array(Y), np.array(w)[:, None]
    return np.asarray(
        np.linalg.solve(x.T @ (scale * x) + config.regularization * np.eye(sessions.n_items), x.T @ (scale * y))
    )


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_weights_equal_the_normal_equations(config: SlistConfig) -> None:
    for seed in range(3):
        train, _ = random_log(seed)
        np.testing.assert_allclose(slist.fit(train, config).weights, weights_of(train, config), atol=2e-6)


def scores_of(model: Slist, config: SlistConfig, queries: SessionQueries, query: int) -> Mapping[int, float]:
    scores: dict[int, float] = defaultdict(float)
    for gap, item in enumerate(reversed(prefix(queries, query))):
        for other, weight in enumerate(model.weights[item].tolist()):
            scores[other] += math.exp(-gap / config.predict_weight) * weight
    return scores


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_lists_equal_those_of_the_formula(config: SlistConfig) -> None:
    n_queries = 0
    for seed in range(4):
        train, queries = random_log(seed)
        model = slist.fit(train, config)
        ranked = model.recommend(queries, 6)
        for query in range(len(queries)):
            scores = scores_of(model, config, queries, query)
            rounded = {item: float(np.float32(score)) for item, score in scores.items() if score > 0}
            expected = sorted(rounded, key=lambda item: (-rounded[item], item))[:6]
            assert lists(ranked)[query] == expected
        n_queries += len(queries)
    assert n_queries > 500


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_slist_keeps_the_contract(config: SlistConfig) -> None:
    assert_contract(lambda sessions, threads: slist.fit(sessions, config, threads), Slist.from_tensors)


def test_a_literal_matrix() -> None:
    # SLIT of [0, 1]: one row 0 -> 1. (1 + reg) B[0, 1] = 1
    model = slist.fit(log_of([0, 1], n_items=3), SlistConfig(alpha=0.0, regularization=3.0))
    np.testing.assert_allclose(model.weights, 0.25 * np.eye(3, k=1)[:, :3] * [[1], [0], [0]], atol=1e-7)
    assert list_after(model, 0) == [1]
    assert list_after(model, 2) == list_after(model, PADDING) == []


def test_large_catalogues_are_refused() -> None:
    with pytest.raises(CatalogTooLargeError, match="20,000"):
        slist.fit(replace(log_of([0, 1]), n_items=MAX_ITEMS + 1), SlistConfig())


def test_fits_do_not_change_the_sessions() -> None:
    train, _ = random_log(3)
    before = train.items.copy(), train.indptr.copy()
    slist.fit(train, SlistConfig())
    np.testing.assert_array_equal(train.items, before[0])
    np.testing.assert_array_equal(train.indptr, before[1])
