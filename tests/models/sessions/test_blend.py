"""The session blend: its candidates and features, and that it is no worse than its parts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from models.data.sessions import PADDING, SessionQueries, Sessions, build_sessions, every_position
from models.protocol import SessionModel
from models.sessions import blend, rules
from models.sessions.blend import BlendConfig, Component
from models.sessions.blend_candidates import CandidatesConfig, build_candidates, feature_names
from tests.models.sessions.random_logs import HOUR, assert_contract, log_of, prefix, random_log

CANDIDATES = CandidatesConfig(depth=6, session_items=3, own_items=2)
CONFIG = BlendConfig(CANDIDATES, train_days=20.0, epochs=4, hidden=4)
TWO = {
    "sr": Component(rules.fit, rules.RulesConfig(), rules.Rules.from_tensors),
    "markov": Component(rules.fit, rules.MARKOV, rules.Rules.from_tensors),
}


def query_of(session: list[int], past: list[int]) -> SessionQueries:
    items = np.array([*past, *session])
    n = np.array([len(past)])
    return SessionQueries(items, np.arange(items.size, dtype=np.float64), n, n + len(session), n * 0, n, n * 0)


def features_of(session: list[int], past: list[int]) -> dict[int, dict[str, float]]:
    """Return the features by item after the training sessions 0 1 2 and 0 1 3."""
    train = log_of([0, 1, 2], [0, 1, 3], n_items=6)
    models: dict[str, SessionModel] = {"markov": rules.fit(train, rules.MARKOV)}
    plays = np.bincount(train.items, minlength=6)
    candidates = build_candidates(query_of(session, past), models, plays, np.array([0, 0, 0, 1, 0, 0]), CANDIDATES)
    assert len(feature_names(models)) == candidates.features.shape[2]
    return {
        int(item): dict(zip(feature_names(models), row.tolist(), strict=True))
        for item, row in zip(candidates.items[0], candidates.features[0], strict=True)
    }


def test_candidates_are_lists_session_and_newest_own_tracks() -> None:
    assert list(features_of([4, 0, 4, 1], [5, 3, 0, 2])) == [2, 3, 1, 4, 0, 5]
    assert list(features_of([1], [0, 4, 5])) == [2, 3, 1, 5, 4]


def test_a_session_adds_its_newest_items_alone() -> None:
    # 2 and 3 are listed; of the session's four others the three newest are candidates
    assert list(features_of([0, 4, 5, 4, 1], [])) == [2, 3, 1, 4, 5]
    assert features_of([0, 2, 4, 5, 1], [])[2]["plays in the session, log"] == pytest.approx(np.log(2))


def test_features_of_a_hand_computed_query() -> None:
    rows = features_of([4, 0, 4, 1], [2, 5, 3, 2])
    assert rows[2]["markov: 1 / rank"] == 1
    assert rows[3]["markov: 1 / rank"] == 0.5
    assert rows[3]["markov: log of the score by the best"] == 0
    assert rows[0]["markov: log of the score by the best"] == pytest.approx(np.log(1e-4))
    gaps = {item: [name for name, value in row.items() if name.startswith("played") and value] for item, row in rows.items()}
    assert gaps[1] == ["played 0 plays ago"]
    assert gaps[4] == ["played 1-2 plays ago"]
    assert rows[2]["not played in the session"] == 1
    assert rows[4]["not played in the session"] == 0
    assert rows[4]["plays in the session, log"] == pytest.approx(np.log(3))
    assert rows[2]["own earlier plays, log"] == pytest.approx(np.log(3))
    assert rows[2]["1 / earlier plays since the newest own one"] == 1
    assert rows[3]["1 / earlier plays since the newest own one"] == 0.5
    assert rows[0]["plays, log"] == pytest.approx(np.log(3))
    assert rows[3]["recent plays, log"] == pytest.approx(np.log(2))
    assert rows[0]["session length, log"] == pytest.approx(np.log(5))


def test_blend_keeps_the_contract() -> None:
    config = replace(CONFIG, train_days=30.0)

    def fit(sessions: Sessions, threads: int) -> blend.SessionBlend:
        del threads
        return blend.fit(sessions, config, 7, TWO)

    # an item without plays can only be a candidate if the query itself has it
    train, queries = random_log(1)
    known = replace(queries, items=np.where(np.isin(queries.items, train.items), queries.items, PADDING))
    model = fit(train, 1)
    for query in range(0, len(known), 40):
        listed = model.recommend(known[slice(query, query + 1)], 30).items[0]
        assert set(prefix(known, query)[-3:]) <= set(listed.tolist())
    assert_contract(fit, lambda tensors: blend.SessionBlend.from_tensors(tensors, config, TWO))


def planted_log(n_sessions: int, seed: int) -> Sessions:
    """Return sessions around a circle of 30 items, each in one direction: after an item comes one of its two neighbors."""
    rng = np.random.default_rng(seed)
    items, session, times = [], [], []
    for number in range(n_sessions):
        plays = ((int(rng.integers(0, 30)) + int(rng.choice([-1, 1])) * np.arange(7)) % 30).tolist()
        items += plays
        session += [number] * len(plays)
        times += [number * HOUR + 60.0 * n for n in range(len(plays))]
    users = np.zeros(len(items), np.int64)
    return build_sessions(np.array(session), np.array(items), np.array(times), users, 30, 1)


def mean_reciprocal_rank(model: SessionModel, queries: SessionQueries) -> float:
    hit = model.recommend(queries, 10).items == queries.items[queries.ends][:, None]
    return float((hit / np.arange(1, hit.shape[1] + 1)).sum(1).mean())


def test_blend_learns_what_no_part_knows() -> None:
    sessions = planted_log(400, 1)
    is_test = np.arange(400) >= 340
    train, test = sessions.select(~is_test), sessions.select(is_test)
    queries, _ = every_position(test, train)
    model = blend.fit(train, BlendConfig(CandidatesConfig(depth=10), train_days=4.0, epochs=30, hidden=8), 7, TWO)
    parts = [mean_reciprocal_rank(part, queries) for part in model.components.values()]
    assert mean_reciprocal_rank(model, queries) > max(parts) + 0.1


def test_later_days_change_no_feature_of_a_day() -> None:
    sessions = planted_log(200, 2)
    cutoff = float(sessions.times[sessions.indptr[150]])
    before = sessions.select(np.arange(200) < 150)
    day = sessions.select((np.arange(200) >= 150) & (np.arange(200) < 160))
    later = sessions.select(np.arange(200) >= 150)
    assert (later.times >= cutoff).all()
    models = {name: part.fit(before, part.config) for name, part in TWO.items()}
    plays = np.bincount(before.items, minlength=30)
    alone, _ = every_position(day, before)
    of_the_day = np.arange(len(later)) < 10
    among_others, _ = every_position(later, before, of_the_day)
    a, b = (build_candidates(queries, models, plays, plays, CANDIDATES) for queries in (alone, among_others))
    assert_array_equal(a.items, b.items)
    assert_allclose(a.features, b.features)


def test_a_feature_that_is_constant_in_training_changes_no_score() -> None:
    model = blend.fit(planted_log(200, 3), replace(CONFIG, train_days=4.0), 7, TWO)
    constant = np.isinf(model.scorer.scale.numpy())
    assert constant.any()  # one user: every query has a past; no item without plays
    features = torch.zeros(1, 5, constant.size)
    features[..., torch.from_numpy(constant)] = 1e6
    with torch.no_grad():
        assert torch.equal(model.scorer(features), model.scorer(torch.zeros_like(features)))


def test_plays_of_the_last_days_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="all plays are of the last 30 days"):
        blend.fit(log_of([0, 1], [0, 1]), replace(CONFIG, train_days=30.0), 7, TWO)


def test_sessions_without_a_listed_next_play_are_refused() -> None:
    with pytest.raises(ValueError, match="no play of the last days"):
        blend.fit(log_of([0, 1], [2, 3]), replace(CONFIG, train_days=0.02), 7, TWO)
