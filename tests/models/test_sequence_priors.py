"""Prior features of session networks: counts, own sessions left out, learned weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_array_equal

from models.data.sequences import PriorFeatures
from models.data.sessions import PADDING, SessionQueries, build_sessions, every_position
from models.sequence_network import SessionNetworkModel
from models.sequence_priors import CombinedPriors, SessionRepeats, Transitions, UserPast
from models.sequence_training import SequenceTrainConfig, fit_network
from models.session_networks import build
from models.types import I64
from tests.models.session_networks import CONFIGS, FAST, N, queries_of, sessions


def test_a_network_learns_the_weights_of_its_prior() -> None:
    rng = np.random.default_rng(7)
    items = np.stack([np.tile(rng.integers(0, N, 2), 4) for _ in range(60)])  # a b a b a b a b
    data = build_sessions(np.arange(60).repeat(8), items.ravel(), np.arange(480.0), np.zeros(480, np.int64), N, 1)
    config = replace(CONFIGS["gru4rec"], n_prior_features=4)
    cfg = SequenceTrainConfig(replace(FAST, epochs=10, lr=0.1))
    result = fit_network(lambda: build(config), data, cfg, prior=lambda _: SessionRepeats(3))
    weights = result.model.network.prior_weights
    assert weights is not None
    assert weights[1] > 2
    assert weights[1] > weights[0] + 2
    assert result.model.recommend(queries_of([3, 17, 3, 17, 3, 17]), 1).items[0, 0] == 3


def test_prior_features_move_the_scores_of_their_items_alone() -> None:
    network = build(replace(CONFIGS["gru4rec"], n_prior_features=3)).eval()
    assert network.prior_weights is not None
    queries = queries_of([4, 5, 5])
    without = SessionNetworkModel(network).score(queries)
    network.prior_weights.data = torch.tensor([1.0, 10.0, 100.0])
    with_prior = SessionNetworkModel(network, SessionRepeats(2)).score(queries)
    expected = torch.zeros(N)
    expected[5], expected[4] = 11.0, 100.0
    torch.testing.assert_close((with_prior - without)[0], expected, rtol=0, atol=1e-4)


def dense(prior: Any, queries: SessionQueries, session_ends: I64 | None = None) -> Any:
    """Return features [Q, N, F], summed over candidates."""
    candidates = prior.candidates(queries, session_ends)
    assert candidates.features[candidates.items == PADDING].sum() == 0
    values = np.zeros((len(queries), N, prior.n_features))
    for q, row in enumerate(candidates.items):
        for c, item in enumerate(row):
            if item != PADDING:
                values[q, item] += candidates.features[q, c]
    return values


def test_transitions_leave_out_the_own_session() -> None:
    data = sessions(30, seed=3)
    prior = Transitions.fit(data, steps=3)
    queries, ends = every_position(data, data.select(np.zeros(len(data), bool)))
    values = dense(prior, queries, ends)
    first = [data.items[a:b].tolist() for a, b in zip(data.indptr[:-1], data.indptr[1:], strict=True)]
    for q in range(0, len(queries), 5):
        own = queries.items[queries.starts[q] : ends[q]].tolist()
        others = list(first)
        others.remove(own)
        last, rule = own[queries.ends[q] - queries.starts[q] - 1], np.zeros(N)
        for plays in others:
            for i, a in enumerate(plays):
                for distance, b in enumerate(plays[i + 1 : i + 4], start=1):
                    rule[b] += (a == last) / distance**2
        np.testing.assert_allclose(values[q, :, 0], np.log1p(rule), atol=1e-5)
        np.testing.assert_allclose(values[q, :, 1], np.log1p(rule / max(rule.sum(), 1e-6) / 1e-3), atol=1e-4)


def test_only_the_strongest_transitions_are_candidates() -> None:
    data = sessions(30, seed=3)
    queries = queries_of([4], [7], [9, 2])
    every, few = (dense(replace(Transitions.fit(data), limit=limit), queries) for limit in (N, 2))
    for q in range(3):
        best = np.sort(every[q, :, 0])[::-1][:2]
        assert_array_equal(np.sort(few[q, :, 0])[::-1][:2], best)
        assert np.count_nonzero(few[q, :, 0]) == np.count_nonzero(best)


def test_the_users_past_is_counted_up_to_the_session() -> None:
    queries = queries_of([1, 2], [3], [], past=[7, 7, 9])
    values = dense(UserPast(), queries)
    np.testing.assert_allclose(values[0, [7, 9], 0], np.log1p([2, 1]), rtol=1e-6)
    ages = (queries.times[4] - queries.times[:3]) / 86_400
    np.testing.assert_allclose(values[0, 7, 1], np.log1p((ages[:2] ** -0.5).sum()), rtol=1e-6)
    assert np.count_nonzero(values[0]) == 4
    later = replace(queries, times=queries.times + 1e6 * (np.arange(queries.times.size) >= queries.ends[0]))
    assert_array_equal(dense(UserPast(), later)[0], values[0])


def test_combined_priors_have_the_features_of_all() -> None:
    data, queries = sessions(30), queries_of([1, 2, 1], [4], past=[3, 3])
    sources: list[PriorFeatures] = [SessionRepeats(2), UserPast(), Transitions.fit(data)]
    combined = dense(CombinedPriors(sources), queries)
    parts = [dense(source, queries) for source in sources]
    np.testing.assert_allclose(combined, np.concatenate(parts, axis=2), rtol=1e-6)
