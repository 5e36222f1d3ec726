"""Implicit ALS: each half-step solves its own least squares, the loss only falls, and what carried a score adds up to it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models import als_solver, ials
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
    draw = np.random.default_rng(seed)
    near = np.add.outer(np.arange(users), np.arange(tracks)) % 2 == 0
    heard = draw.random((users, tracks)) < np.where(near, 0.4, 0.05)
    heard[3], heard[:, 4] = False, False
    return csr_array(heard * draw.integers(1, 30, heard.shape).astype(np.float32))


def plainly(strength: Floats, items: Floats, objective: ALSObjective) -> Floats:
    """The users' factors by the book: one dense weighted ridge regression each."""
    found = []
    for row in strength.astype(np.float64):
        weight, likes = objective.unobserved_weight + row, row > 0
        count = likes.sum() + (objective.unobserved_weight * len(items) if objective.frequency_includes_unobserved else 0.0)
        left = (items.T * weight) @ items + objective.regularization * count**objective.exponent * np.eye(
            items.shape[1]
        )
        found.append(np.linalg.solve(left, items.T @ (weight * likes)) if likes.any() else np.zeros(items.shape[1]))
    return np.array(found)


@EACH
@pytest.mark.parametrize("compiles", [True, False])
def test_solving_is_ridge_regression_and_steps_lead_there(
    objective: ALSObjective, compiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(als_solver, "HAS_NUMBA", compiles)
    likes = confidence_weights(listening(), 1.0)
    items = np.random.default_rng(1).normal(size=(30, 6))
    expected = plainly(likes.toarray(), items, objective)
    side = als_solver.with_gram(torch.from_numpy(items.astype(np.float32)))
    np.testing.assert_allclose(als_solver.solve(likes, side, objective).numpy(), expected, atol=1e-5)
    walked = als_solver.solve_cg(likes, side, torch.zeros(60, 6), objective, 12)
    np.testing.assert_allclose(walked.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("rank", [3, 6])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_compiled_and_batched_steps_are_the_same_steps(rank: int, steps: int) -> None:
    likes, start = confidence_weights(listening(), 1.0), ials.init_factors(60, rank, 3)
    side = als_solver.with_gram(ials.init_factors(30, rank, 4) * 20)
    compiled, batched = (
        approach(likes, side, start, RENDLE, steps).numpy() for approach in (als_solver.solve_cg, als_solver.solve_cg_batched)
    )
    np.testing.assert_allclose(compiled, batched, rtol=2e-4, atol=2e-5)
    if not steps:
        np.testing.assert_array_equal(compiled[0], start[0])
    assert not compiled[3].any()  # likes nothing


def test_a_row_of_many_likes_is_a_row_like_others() -> None:
    """More than compiled code makes room for at first."""
    many = 3_000
    likes = csr_array(np.random.default_rng(5).integers(0, 3, (4, many)).astype(np.float32))
    side, start = als_solver.with_gram(ials.init_factors(many, 6, 1) * 20), torch.zeros(4, 6)
    together = als_solver.solve_cg(likes, side, start, RENDLE, 6).numpy()
    np.testing.assert_allclose(together, als_solver.solve(likes, side, RENDLE).numpy(), atol=1e-4)
    for row in range(4):
        alone = als_solver.solve_cg(likes[[row]], side, start[[row]], RENDLE, 6).numpy()
        np.testing.assert_array_equal(alone[0], together[row])


@EACH
def test_the_loss_is_the_sum_over_every_pair(objective: ALSObjective) -> None:
    likes = confidence_weights(listening(), 1.0)
    draw = np.random.default_rng(2)
    users, items = draw.normal(size=(60, 5)), draw.normal(size=(30, 5))
    dense = likes.toarray().astype(np.float64)
    errors = ((objective.unobserved_weight + dense) * ((dense > 0) - users @ items.T) ** 2).sum()
    for factors, counts, across in ((users, (dense > 0).sum(1), 30), (items, (dense > 0).sum(0), 60)):
        weight = counts + (objective.unobserved_weight * across if objective.frequency_includes_unobserved else 0.0)
        errors += objective.regularization * (weight**objective.exponent) @ (factors**2).sum(1)
    assert ials.loss(likes, users, items, objective) == pytest.approx(errors)


@pytest.mark.parametrize("steps", [0, 3])
def test_every_iteration_lessens_the_loss(steps: int) -> None:
    ratings = listening()
    likes, losses = confidence_weights(ratings, 1.0), []
    for iterations in (1, 2, 4, 8, 16):
        config = IALSConfig(rank=6, iterations=iterations, cg_steps=steps)
        items = ials.fit(ratings, config)
        users = als_solver.solve(likes, als_solver.with_gram(torch.from_numpy(items)), config.objective).numpy()
        losses.append(ials.loss(likes, users, items, config.objective))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_a_warm_start_begins_where_the_last_fit_ended() -> None:
    ratings, config = listening(), IALSConfig(rank=6, iterations=30, cg_steps=0)
    settled = ials.fit(ratings, config)
    start = ials.ALSState(np.zeros((60, 6), np.float32), settled)
    again = ials.fit_als(confidence_weights(ratings, 1.0), IALSConfig(rank=6, iterations=1, cg_steps=0), start)
    cold = ials.fit(ratings, IALSConfig(rank=6, iterations=1, cg_steps=0))
    assert np.abs(again - settled).max() < 0.1 * np.abs(cold - settled).max()


@pytest.mark.smoke
def test_equal_seeds_give_equal_factors_and_others_do_not() -> None:
    ratings, config = listening(), IALSConfig(rank=6, iterations=2)
    np.testing.assert_array_equal(ials.fit(ratings, config), ials.fit(ratings, config))
    assert not np.allclose(ials.fit(ratings, config), ials.fit(ratings, IALSConfig(rank=6, iterations=2, seed=8)))


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(1, 64))
def test_every_row_with_a_like_is_solved_once(counts: list[int], least: int) -> None:
    groups = als_solver._length_buckets(np.array(counts), 500, least)
    rows = np.concatenate(groups) if groups else np.empty(0, dtype=np.int64)
    assert sorted(rows) == [row for row, count in enumerate(counts) if count]
    assert all(max(counts[r] for r in group) <= 1.25 * min(counts[r] for r in group) for group in groups)
    assert all(len(group) * max(least, *(counts[r] for r in group)) <= max(500, least, *counts) for group in groups)


@EACH
@pytest.mark.parametrize("compiles", [True, False])
@pytest.mark.parametrize("rank", [5, 8])
def test_what_carried_a_score_adds_up_to_it(
    objective: ALSObjective, compiles: bool, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is picked: for some rows all items, for some none, for others a few; user 3 likes nothing."""
    monkeypatch.setattr(als_solver, "HAS_NUMBA", compiles)
    likes, draw = confidence_weights(listening(), 1.0), np.random.default_rng(4)
    items = torch.from_numpy(draw.normal(size=(30, rank)).astype(np.float32))
    side = als_solver.with_gram(items)
    scores = (als_solver.solve(likes, side, objective) @ items.double().T).numpy()
    picked = [draw.permutation(30)[: draw.choice([0, 3, 30])] for _ in range(60)]
    found = als_solver.contributions(likes, side, objective, picked)
    for row, (shares, chosen) in enumerate(zip(found, picked, strict=True)):
        assert shares.shape == (chosen.size, likes.indptr[row + 1] - likes.indptr[row])
        np.testing.assert_allclose(shares.sum(1), scores[row, chosen], atol=2e-5)


def test_what_one_like_carried_is_what_is_missing_without_its_right_side() -> None:
    """By the book: (y_i' W y_j) (a + s_j), W the inverse of the whole left side."""
    likes, items = confidence_weights(listening(), 1.0), np.random.default_rng(4).normal(size=(30, 6)).astype(np.float32)
    strength = likes[[7]].toarray()[0].astype(np.float64)
    liked, wide = np.flatnonzero(strength), items.astype(np.float64)
    penalty = RENDLE.penalty(torch.tensor(float(liked.size)), 30).item()
    left = (wide.T * (RENDLE.unobserved_weight + strength)) @ wide + penalty * np.eye(6)
    expected = wide @ np.linalg.inv(left) @ wide[liked].T * (RENDLE.unobserved_weight + strength[liked])
    (shares,) = als_solver.contributions(likes[[7]], als_solver.with_gram(torch.from_numpy(items)), RENDLE, [np.arange(30)])
    np.testing.assert_allclose(shares, expected, atol=1e-5)


@pytest.mark.parametrize("steps", [0, 3])
def test_a_fit_that_goes_on_gives_the_bits_of_one_that_was_never_interrupted(steps: int) -> None:
    likes, config = confidence_weights(listening(), 1.0), IALSConfig(rank=6, iterations=4, cg_steps=steps)
    states: list[ials.ALSState] = []
    whole = ials.fit_als(likes, config, on_iteration=states.append)
    assert [state.iteration for state in states] == [1, 2, 3, 4]
    for state in states:
        further: list[ials.ALSState] = []
        np.testing.assert_array_equal(ials.fit_als(likes, config, state, further.append), whole)
        assert [state.iteration for state in further] == list(range(state.iteration + 1, 5))


def test_loss_and_lists_are_implicits() -> None:
    """Made by implicit in bench/implicit_small.py. Where a fit ends depends on where it began: the best counts."""
    told = json.loads((Path(__file__).parent / "data" / "implicit_small.json").read_text())
    likes = confidence_weights(csr_array(np.array(told["plays"], np.float32)), 1.0)
    found = []
    for seed in range(4):
        config = IALSConfig(
            rank=told["factors"], iterations=150, unobserved_weight=told["unobserved"], regularization=told["regularisation"],
            exponent=0.0, cg_steps=0, seed=seed,
        )  # fmt: skip
        items = ials.fit_als(likes, config, threads=1)
        users = ials.fold_in(likes, items, config, threads=1)
        found.append((ials.loss(likes, users, items, config.objective), users @ items.T))
    loss, scores = min(found, key=lambda one: one[0])
    assert loss == pytest.approx(told["loss"], rel=1e-5)
    scores[likes.todense() > 0] = -np.inf
    ours = np.argsort(-scores, axis=1)[:, : len(told["lists"][0])]
    same = [len(set(mine) & set(theirs)) for mine, theirs in zip(ours.tolist(), told["lists"], strict=True)]
    assert np.mean(same) > 0.99 * ours.shape[1]
