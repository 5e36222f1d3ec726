"""The context tree with fixed weights, against its recursion, and the counts of contexts."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest

from models.data.sessions import PADDING, SessionQueries, Sessions
from models.sessions import context_tree
from models.sessions.context_tree import ContextTreeConfig
from models.sessions.interpolation import InterpolatedNGrams
from models.sessions.ngrams import count_ngrams
from tests.models.sessions.random_logs import (
    assert_contract,
    assert_equals_oracle,
    list_after,
    log_of,
    prefix,
    random_log,
    train_lists,
)

Counts = dict[tuple[int, ...], dict[int, float]]


def count(train: list[list[int]], depth: int) -> Counts:
    """Return counts by context, oldest play first."""
    counts: Counts = defaultdict(lambda: defaultdict(float))
    for items in train:
        for i, item in enumerate(items):
            for d in range(min(i, depth) + 1):
                counts[tuple(items[i - d : i])][item] += 1
    return counts


def oracle(config: ContextTreeConfig, sessions: Sessions) -> Callable[[SessionQueries, int], Mapping[int, float]]:
    counts = count(train_lists(sessions), config.depth)

    def scores_of(queries: SessionQueries, query: int) -> Mapping[int, float]:
        plays = prefix(queries, query)
        q: dict[int, float] = defaultdict(float)
        for d in range(min(config.depth, len(plays)) + 1):
            context = tuple(plays[len(plays) - d :])
            if context not in counts:
                break
            n, w = sum(counts[context].values()), 2.0**-d
            for item in counts[()]:
                q[item] = w * counts[context].get(item, 0.0) / (2 + n) + (1 - w) * q[item]
        return q

    return scores_of


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_lists_equal_those_of_the_recursion(depth: int) -> None:
    config = ContextTreeConfig(depth)
    assert_equals_oracle(lambda sessions: context_tree.fit(sessions, config), partial(oracle, config))


def test_long_lists_are_filled_from_the_root() -> None:
    config = ContextTreeConfig()
    assert_equals_oracle(lambda sessions: context_tree.fit(sessions, config), partial(oracle, config), k=20)


@pytest.mark.parametrize("depth", [1, 5])
def test_context_trees_keep_the_contract(depth: int) -> None:
    assert_contract(
        lambda sessions, threads: context_tree.fit(sessions, ContextTreeConfig(depth), threads),
        InterpolatedNGrams.from_tensors,
    )


def test_orders_beyond_the_depth_are_not_counted() -> None:
    # 0 and 6 have followed 1 2 3 4 5 once each; the track before decides, which is the sixth order
    train = log_of([7, 1, 2, 3, 4, 5, 0], [8, 1, 2, 3, 4, 5, 6], n_items=9)
    by_depth = {depth: context_tree.fit(train, ContextTreeConfig(depth)) for depth in (5, 6)}
    assert [list_after(by_depth[5], first, 1, 2, 3, 4, 5, k=1) for first in (7, 8)] == [[0], [0]]
    assert [list_after(by_depth[6], first, 1, 2, 3, 4, 5, k=1) for first in (7, 8)] == [[0], [6]]


def test_a_literal_tree() -> None:
    # root: 0 2, 1 3, 2 2 plays of 7; after 1: 2 and 0 once each; after 0, 1: 2 once; after 2, 1: 0 once
    model = context_tree.fit(log_of([0, 1, 2], [2, 1, 0], [1]), ContextTreeConfig())
    assert list_after(model, 1) == [0, 2, 1]
    assert list_after(model, 0, 1) == [2, 0, 1]
    assert list_after(model, 2, 1) == [0, 2, 1]
    assert list_after(model, 3, 4) == list_after(model, PADDING) == [1, 0, 2]
    # order 0: 2/9; order 1: 1/2 * 1/4; order 2: 1/4 * 1/3
    queries = random_log(1)[1]
    queries = type(queries)(np.array([0, 1]), np.array([0.0, 1.0]), *(np.array([x]) for x in (0, 2, 0, 0, -1)))
    expected = 0.25 * 1 / 3 + 0.75 * (0.5 * 1 / 4 + 0.5 * 2 / 9)
    np.testing.assert_allclose(model.recommend(queries, 1).scores, [[expected]], rtol=1e-6)


def test_counts_of_contexts_equal_literal_counts() -> None:
    for seed in range(3):
        train, _ = random_log(seed)
        ngrams, expected = count_ngrams(train, 3), count(train_lists(train), 3)
        contexts: list[tuple[int, ...]] = [()]
        for key in ngrams.keys.tolist():
            contexts.append((key % train.n_items, *contexts[key // train.n_items]))
        assert len(set(contexts)) == len(contexts)
        counts = {
            context: dict(
                zip(
                    ngrams.items[ngrams.indptr[node] : ngrams.indptr[node + 1]].tolist(),
                    ngrams.counts[ngrams.indptr[node] : ngrams.indptr[node + 1]].tolist(),
                    strict=True,
                )
            )
            for node, context in enumerate(contexts)
        }
        assert counts == {context: dict(row) for context, row in expected.items()}
        assert ngrams.order.tolist() == [len(context) for context in contexts]
