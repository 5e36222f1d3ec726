"""Rules between two items, against their formulas."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest

from models.data.sessions import SessionQueries, Sessions
from models.sessions import rules
from models.sessions.rules import ASSOCIATION, MARKOV, WEIGHTINGS, Rules, RulesConfig, Weighting
from tests.models.sessions.random_logs import (
    assert_contract,
    assert_equals_oracle,
    list_after,
    log_of,
    prefix,
    train_lists,
)


def weight(weighting: Weighting, d: float) -> float:
    return {
        "same": 1.0,
        "div": 1 / d,
        "linear": max(0.0, 1 - 0.1 * d),
        "log": 1 / math.log10(d + 1.7),
        "quadratic": 1 / d**2,
    }[weighting]


CONFIGS: dict[str, RulesConfig] = {
    "association": ASSOCIATION,
    "markov": MARKOV,
    **{str(name): RulesConfig(weighting=name) for name in WEIGHTINGS},
    "pruned": RulesConfig(rules_per_item=2, steps=3),
    "longer": RulesConfig(last_in_session=3, weighting="div"),
    "longer linear": RulesConfig(last_in_session=12, session_weighting="linear"),
}


def pruned_rules(sessions: Sessions, config: RulesConfig) -> dict[int, dict[int, float]]:
    """Return the pruned rules by formula."""
    pairs: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for items in train_lists(sessions):
        for i, a in enumerate(items):
            for j, b in enumerate(items):
                if config.kind == "association" and i != j:
                    pairs[a][b] += 1
                if config.kind == "sequential" and 0 < j - i <= config.steps:
                    pairs[a][b] += weight(config.weighting, j - i)
    pruned = {}
    for a, row in pairs.items():
        strengths = {b: float(np.float32(strength)) for b, strength in row.items() if np.float32(strength) > 0}
        strongest = sorted(strengths, key=lambda b: (-strengths[b], b))[: config.rules_per_item]
        pruned[a] = {b: strengths[b] for b in strongest}
    return pruned


def oracle(config: RulesConfig, sessions: Sessions) -> Callable[[SessionQueries, int], Mapping[int, float]]:
    pruned = pruned_rules(sessions, config)

    def scores_of(queries: SessionQueries, query: int) -> Mapping[int, float]:
        scores: dict[int, float] = defaultdict(float)
        for n, item in enumerate(reversed(prefix(queries, query)), start=1):
            if n <= config.last_in_session + 1:
                for b, strength in pruned.get(item, {}).items():
                    scores[b] += strength * (1.0 if n == 1 else weight(config.session_weighting, n))
        return scores

    return scores_of


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_lists_equal_those_of_the_formula(config: RulesConfig) -> None:
    assert_equals_oracle(lambda sessions: rules.fit(sessions, config), partial(oracle, config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_rules_keep_the_contract(config: RulesConfig) -> None:
    assert_contract(lambda sessions, threads: rules.fit(sessions, config, threads), Rules.from_tensors)


def test_rules_of_a_small_log() -> None:
    train = log_of([0, 1, 2], [0, 2], [2, 2], n_items=5)
    # 0 -> 2: 1/4 + 1; 0 -> 1: 1; 1 -> 2: 1; 2 -> 2: 1
    model = rules.fit(train, RulesConfig())
    assert model.indptr.tolist() == [0, 2, 3, 4, 4, 4]
    assert model.consequents.tolist() == [2, 1, 2, 2]
    assert model.strengths.tolist() == [1.25, 1.0, 1.0, 1.0]
    assert list_after(model, 0) == [2, 1]
    assert list_after(model, 3) == []
    assert list_after(rules.fit(train, ASSOCIATION), 2) == [0, 2, 1]  # 2, 2 and 1 pairs
    assert list_after(rules.fit(train, MARKOV), 0) == [1, 2]
    assert list_after(rules.fit(train, RulesConfig(rules_per_item=1)), 0) == [2]


def test_the_newest_play_counts_and_earlier_ones_only_if_configured() -> None:
    train = log_of([0, 1], [2, 3])
    assert list_after(rules.fit(train, RulesConfig()), 0, 2) == [3]
    assert list_after(rules.fit(train, RulesConfig(last_in_session=1)), 0, 2) == [3, 1]


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_no_weight_is_negative(weighting: Weighting) -> None:
    assert (WEIGHTINGS[weighting](np.arange(1.0, 200)) >= 0).all()
