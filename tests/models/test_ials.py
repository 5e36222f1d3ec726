"""Implicit ALS: half-steps solve least squares, the loss decreases, contributions sum to scores."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models import als_solver, ials, padded_batches
from models.als_solver import ALSObjective
from models.ials import IALSConfig
from models.interactions import confidence_weights

Floats = NDArray[np.floating]
HU = ALSObjective(unobserved_weight=1.0, regularization=0.3, exponent=0.0)
RENDLE = ALSObjective(unobserved_weight=0.1, regularization=0.02)
MLLIB = ALSObjective(unobserved_weight=0.1, regularization=0.02, frequency_includes_unobserved=False)
EACH = pytest.mark.parametrize("objective", [HU, RENDLE, MLLIB], ids=["hu", "rendle", "mllib"])


def listening(users: int = 60, tracks: int = 30, seed: int = 5) -> csr_array:
    """Plays of two tastes; user 3 and track 4 have none."""
    rng = np.random.default_rng(seed)
    near = np.add.outer(np.arange(users), np.arange(tracks)) % 2 == 0
    n_seen = rng.random((users, tracks)) < np.where(near, 0.4, 0.05)
    n_seen[3], n_seen[:, 4] = False, False
    return csr_array(n_seen * rng.integers(1, 30, n_seen.shape).astype(np.float32))


def plainly(strength: Floats, items: Floats, objective: ALSObjective) -> Floats:
    """The users' factors from the textbook: a dense weighted ridge regression each."""
    actual = []
    for row in strength.astype(np.float64):
        weight, interactions = objective.unobserved_weight + row, row > 0
        count = interactions.sum() + (objective.unobserved_weight * len(items) if objective.frequency_includes_unobserved else 0.0)
        left = (items.T * weight) @ items + objective.regularization * count**objective.exponent * np.eye(
            items.shape[1]
        )
        actual.append(np.linalg.solve(left, items.T @ (weight * interactions)) if interactions.any() else np.zeros(items.shape[1]))
    return np.array(actual)


@EACH
@pytest.mark.parametrize("compiled", [True, False])
def test_exact_solution_is_ridge_regression_and_cg_converges_to_it(objective: ALSObjective, compiled: bool) -> None:
    """`compiled`: as on a CPU; else as on a GPU."""
    solve, solve_cg = (
        (als_solver.solve, als_solver.solve_cg) if compiled else (als_solver.solve_batched, als_solver.solve_cg_batched)
    )
    interactions = confidence_weights(listening(), 1.0)
    items = np.random.default_rng(1).normal(size=(30, 6))
    expected = plainly(interactions.toarray(), items, objective)
    side = als_solver.with_gram(torch.from_numpy(items.astype(np.float32)))
    np.testing.assert_allclose(solve(interactions, side, objective).numpy(), expected, atol=1e-5)
    walked = solve_cg(interactions, side, torch.zeros(60, 6), objective, 12)
    np.testing.assert_allclose(walked.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("rank", [3, 6])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_compiled_and_batched_cg_agree(rank: int, steps: int) -> None:
    interactions, start = confidence_weights(listening(), 1.0), ials.init_factors(60, rank, 3)
    side = als_solver.with_gram(ials.init_factors(30, rank, 4) * 20)
    compiled, batched = (
        solve(interactions, side, start, RENDLE, steps).numpy()
        for solve in (als_solver.solve_cg, als_solver.solve_cg_batched)
    )
    np.testing.assert_allclose(compiled, batched, rtol=2e-4, atol=2e-5)
    if not steps:
        np.testing.assert_array_equal(compiled[0], start[0])
    assert not compiled[3].any()  # likes nothing


def test_row_longer_than_the_initial_buffer_is_solved() -> None:
    """More interactions than the compiled code's initial buffer."""
    many = 3_000
    interactions = csr_array(np.random.default_rng(5).integers(0, 3, (4, many)).astype(np.float32))
    side, start = als_solver.with_gram(ials.init_factors(many, 6, 1) * 20), torch.zeros(4, 6)
    together = als_solver.solve_cg(interactions, side, start, RENDLE, 6).numpy()
    np.testing.assert_allclose(together, als_solver.solve(interactions, side, RENDLE).numpy(), atol=1e-4)
    for row in range(4):
        alone = als_solver.solve_cg(interactions[[row]], side, start[[row]], RENDLE, 6).numpy()
        np.testing.assert_array_equal(alone[0], together[row])


@EACH
def test_loss_equals_the_sum_over_all_pairs(objective: ALSObjective) -> None:
    interactions = confidence_weights(listening(), 1.0)
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(60, 5)), rng.normal(size=(30, 5))
    dense = interactions.toarray().astype(np.float64)
    errors = ((objective.unobserved_weight + dense) * ((dense > 0) - users @ items.T) ** 2).sum()
    for factors, counts, across in ((users, (dense > 0).sum(1), 30), (items, (dense > 0).sum(0), 60)):
        weight = counts + (objective.unobserved_weight * across if objective.frequency_includes_unobserved else 0.0)
        errors += objective.regularization * (weight**objective.exponent) @ (factors**2).sum(1)
    assert ials.loss(interactions, users, items, objective) == pytest.approx(errors)


@pytest.mark.parametrize("steps", [0, 3])
def test_loss_decreases_in_every_iteration(steps: int) -> None:
    ratings = listening()
    interactions, losses = confidence_weights(ratings, 1.0), []
    for iterations in (1, 2, 4, 8, 16):
        config = IALSConfig(rank=6, iterations=iterations, cg_steps=steps)
        items = ials.fit(ratings, config)
        users = als_solver.solve(interactions, als_solver.with_gram(torch.from_numpy(items)), config.objective).numpy()
        losses.append(ials.loss(interactions, users, items, config.objective))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_warm_start_continues_from_the_last_fit() -> None:
    ratings, config = listening(), IALSConfig(rank=6, iterations=30, cg_steps=0)
    settled = ials.fit(ratings, config)
    start = ials.ALSState(np.zeros((60, 6), np.float32), settled)
    again = ials.fit_als(confidence_weights(ratings, 1.0), IALSConfig(rank=6, iterations=1, cg_steps=0), start)
    cold = ials.fit(ratings, IALSConfig(rank=6, iterations=1, cg_steps=0))
    assert np.abs(again - settled).max() < 0.1 * np.abs(cold - settled).max()


@pytest.mark.smoke
def test_equal_seeds_give_equal_factors_and_different_seeds_do_not() -> None:
    ratings, config = listening(), IALSConfig(rank=6, iterations=2)
    np.testing.assert_array_equal(ials.fit(ratings, config), ials.fit(ratings, config))
    assert not np.allclose(ials.fit(ratings, config), ials.fit(ratings, IALSConfig(rank=6, iterations=2, seed=8)))


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(1, 64))
def test_length_buckets_contain_every_non_empty_row_once(counts: list[int], min_length: int) -> None:
    groups = padded_batches._length_buckets(np.array(counts), 500, min_length)
    rows = np.concatenate(groups) if groups else np.empty(0, dtype=np.int64)
    assert sorted(rows) == [row for row, count in enumerate(counts) if count]
    assert all(max(counts[r] for r in group) <= 1.25 * min(counts[r] for r in group) for group in groups)
    assert all(len(group) * max(min_length, *(counts[r] for r in group)) <= max(500, min_length, *counts) for group in groups)


@EACH
@pytest.mark.parametrize("rank", [5, 8])
def test_contributions_sum_to_the_score(objective: ALSObjective, rank: int) -> None:
    """Chosen items: all for some rows, none for others, a few for the rest; user 3 has no interactions."""
    interactions, rng = confidence_weights(listening(), 1.0), np.random.default_rng(4)
    items = torch.from_numpy(rng.normal(size=(30, rank)).astype(np.float32))
    side = als_solver.with_gram(items)
    scores = (als_solver.solve(interactions, side, objective) @ items.double().T).numpy()
    item_ids = [rng.permutation(30)[: rng.choice([0, 3, 30])] for _ in range(60)]
    actual = als_solver.contributions(interactions, side, objective, item_ids)
    for row, (contributions, chosen) in enumerate(zip(actual, item_ids, strict=True)):
        assert contributions.shape == (chosen.size, interactions.indptr[row + 1] - interactions.indptr[row])
        np.testing.assert_allclose(contributions.sum(1), scores[row, chosen], atol=2e-5)


def test_contribution_of_an_item_equals_the_closed_form() -> None:
    """(y_i' W y_j) (a + s_j) with W the inverse of the left side."""
    interactions, items = confidence_weights(listening(), 1.0), np.random.default_rng(4).normal(size=(30, 6)).astype(np.float32)
    strength = interactions[[7]].toarray()[0].astype(np.float64)
    liked, wide = np.flatnonzero(strength), items.astype(np.float64)
    penalty = RENDLE.penalty(torch.tensor(float(liked.size)), 30).item()
    left = (wide.T * (RENDLE.unobserved_weight + strength)) @ wide + penalty * np.eye(6)
    expected = wide @ np.linalg.inv(left) @ wide[liked].T * (RENDLE.unobserved_weight + strength[liked])
    side = als_solver.with_gram(torch.from_numpy(items))
    (contributions,) = als_solver.contributions(interactions[[7]], side, RENDLE, [np.arange(30)])
    np.testing.assert_allclose(contributions, expected, atol=1e-5)


@pytest.mark.parametrize("steps", [0, 3])
def test_resumed_fit_gives_the_bits_of_an_uninterrupted_one(steps: int) -> None:
    interactions, config = confidence_weights(listening(), 1.0), IALSConfig(rank=6, iterations=4, cg_steps=steps)
    states: list[ials.ALSState] = []
    uninterrupted = ials.fit_als(interactions, config, on_iteration=states.append)
    assert [state.iteration for state in states] == [1, 2, 3, 4]
    for state in states:
        further: list[ials.ALSState] = []
        np.testing.assert_array_equal(ials.fit_als(interactions, config, state, further.append), uninterrupted)
        assert [state.iteration for state in further] == list(range(state.iteration + 1, 5))


def test_loss_and_lists_equal_those_of_implicit() -> None:
    """Computed with implicit by bench/implicit_small.py. Fits depend on their start: the best of several counts."""
    report = json.loads((Path(__file__).parent / "data" / "implicit_small.json").read_text())
    interactions = confidence_weights(csr_array(np.array(report["plays"], np.float32)), 1.0)
    actual = []
    for seed in range(4):
        config = IALSConfig(
            rank=report["factors"], iterations=150, unobserved_weight=report["unobserved"], regularization=report["regularisation"],
            exponent=0.0, cg_steps=0, seed=seed,
        )  # fmt: skip
        items = ials.fit_als(interactions, config, threads=1)
        users = ials.fold_in(interactions, items, config, threads=1)
        actual.append((ials.loss(interactions, users, items, config.objective), users @ items.T))
    loss, scores = min(actual, key=lambda one: one[0])
    assert loss == pytest.approx(report["loss"], rel=1e-5)
    scores[interactions.todense() > 0] = -np.inf
    ours = np.argsort(-scores, axis=1)[:, : len(report["lists"][0])]
    same = [len(set(our_items) & set(peer_items)) for our_items, peer_items in zip(ours.tolist(), report["lists"], strict=True)]
    assert np.mean(same) > 0.99 * ours.shape[1]
