"""SKNN and VSKNN, against their formulas."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest

from models.data.sessions import PADDING, SessionQueries, Sessions
from models.sessions import knn
from models.sessions.knn import KNN, POSITION_WEIGHTINGS, SIMILARITIES, SKNN, VSKNN, KNNConfig
from models.sessions.rules import Weighting
from tests.models.sessions.random_logs import (
    assert_contract,
    assert_equals_oracle,
    list_after,
    log_of,
    prefix,
    query_time,
    random_log,
    train_lists,
)

CONFIGS: dict[str, KNNConfig] = {
    "sknn": SKNN,
    "vsknn": VSKNN,
    "few": KNNConfig(neighbors=5, sample_size=12),
    "few cosine": KNNConfig(5, 12, "cosine", "div", "log"),
    "idf": KNNConfig(20, 30, idf_weight=5.0),
    "time": KNNConfig(20, 30, time_decay=True),
    **{name: KNNConfig(10, 30, name) for name in SIMILARITIES},
    **{name: KNNConfig(10, 30, weighting=name, score_weighting=name) for name in POSITION_WEIGHTINGS},
}


def position_weight(weighting: Weighting, i: int, n: int) -> float:
    return {
        "same": 1.0,
        "div": i / n,
        "linear": max(0.0, 1 - 0.1 * (n - i)),
        "log": 1 / math.log10(n - i + 1.7),
        "quadratic": (i / n) ** 2,
    }[weighting]


def step_weight(weighting: Weighting, step: int) -> float:
    return {
        "same": 1.0,
        "div": 1 / step,
        "linear": max(0.0, 1 - 0.1 * step),
        "log": 1 / math.log10(step + 1.7),
        "quadratic": 1 / step**2,
    }[weighting]


def oracle(config: KNNConfig, sessions: Sessions) -> Callable[[SessionQueries, int], Mapping[int, float]]:
    train = train_lists(sessions)
    n_plays = np.bincount(sessions.items, minlength=sessions.n_items).tolist()

    def scores_of(queries: SessionQueries, query: int) -> Mapping[int, float]:
        plays = prefix(queries, query)
        position = {item: i for i, item in enumerate(plays, start=1)}
        v = {item: position_weight(config.weighting, i, len(plays)) for item, i in position.items()}
        union = [s for s, items in enumerate(train) if set(items) & set(plays)]
        similarity: dict[int, float] = {}
        for s in union[-config.sample_size :]:
            common, different = set(train[s]) & set(plays), set(train[s])
            total = sum(v[item] for item in common)
            if config.similarity == "vec":
                similarity[s] = total / len(position)
            elif config.similarity == "cosine":
                norm = math.sqrt(sum(x * x for x in v.values()))
                similarity[s] = total / (norm * math.sqrt(len(different)))
            else:
                similarity[s] = len(common) / len(different | set(plays))
            if config.time_decay:
                age = max(0.0, query_time(queries, query) - float(sessions.ends[s]))
                similarity[s] *= (7 / 8) ** round(age / 86_400)
        similar = {s: float(np.float32(value)) for s, value in similarity.items() if np.float32(value) > 0}
        scores: dict[int, float] = defaultdict(float)
        for s in sorted(similar, key=lambda s: (-similar[s], -s))[: config.neighbors]:
            step = 1 + len(plays) - max(position[item] for item in set(train[s]) & set(plays))
            for item in set(train[s]):
                idf = math.log(len(train) / n_plays[item])
                weight = similarity[s] * step_weight(config.score_weighting, step)
                scores[item] += weight * (1 + config.idf_weight * idf)
        return scores

    return scores_of


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_lists_equal_those_of_the_formula(config: KNNConfig) -> None:
    assert_equals_oracle(lambda sessions: knn.fit(sessions, config), partial(oracle, config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_neighbors_keep_the_contract(config: KNNConfig) -> None:
    assert_contract(
        lambda sessions, threads: knn.fit(sessions, config, threads),
        lambda tensors: KNN.from_tensors(tensors, config),
    )


def test_vsknn_of_a_literal_log() -> None:
    # session (0, 1): v(0) = 1/4, v(1) = 1. Similarity: [0, 2] 1/8, [1, 3] 1/2, [0, 1, 4] 5/8.
    # Steps: 2, 1, 1. Scores: 2: 1/32; 3: 1/2; 4: 5/8; 0: 1/32 + 5/8; 1: 1/2 + 5/8.
    model = knn.fit(log_of([0, 2], [1, 3], [0, 1, 4]), VSKNN)
    assert list_after(model, 0, 1) == [1, 0, 4, 3, 2]
    assert list_after(knn.fit(log_of([0, 2], [1, 3], [0, 1, 4]), KNNConfig(neighbors=1)), 0, 1) == [0, 1, 4]


def test_sample_has_the_newest_sessions_of_the_union_of_all_items() -> None:
    train = log_of([0, 1], [0, 2], [3, 4])
    assert list_after(knn.fit(train, KNNConfig(sample_size=1)), 0, 3) == [3, 4]
    assert list_after(knn.fit(train, KNNConfig(sample_size=2)), 0, 3) == [3, 4, 0, 2]
    assert list_after(knn.fit(train, KNNConfig(sample_size=1)), 0) == [0, 2]


def test_unknown_items_are_skipped() -> None:
    model = knn.fit(log_of([0, 2], [1, 3]), VSKNN)
    assert list_after(model, 0, PADDING, 1, PADDING) == list_after(model, 0, 1)
    assert list_after(model, PADDING) == []


def test_equally_similar_neighbors_are_the_newest() -> None:
    train = log_of([0, 1], [0, 2], [0, 3])
    assert list_after(knn.fit(train, KNNConfig(neighbors=2)), 0) == [0, 2, 3]


def test_time_of_the_query_moves_only_the_time_decay() -> None:
    train, queries = random_log(2)
    later = SessionQueries(
        queries.items,
        queries.times + 86_400.0,
        queries.starts,
        queries.ends,
        queries.past_starts,
        queries.past_ends,
        queries.users,
    )
    model = knn.fit(train, VSKNN)
    np.testing.assert_array_equal(model.recommend(queries, 5).scores, model.recommend(later, 5).scores)
