"""Implicit ALS: matrix factorization of implicit feedback (Hu, Koren, Volinsky 2008; Rendle et al. 2022).

    L(X, Y) = sum over (u, i) in S of (a + s_ui) (1 - x_u . y_i)^2  +  a  sum over all other (u, i) of (x_u . y_i)^2
              + lambda ( sum over u of (n_u + a |I|)^nu |x_u|^2  +  sum over i of (n_i + a |U|)^nu |y_i|^2 )

S: observed pairs, with weights s_ui > 0; n_u, n_i: how many of them a user or an item has; a: weight of an unobserved
pair. This is Hu's objective divided by alpha (a = 1 / alpha, confidence 1 + alpha s) with the frequency-scaled
regularization of Rendle et al. (their Eq. 7; nu = 1 is their best, nu = 0 is Hu's). A half-step fixes one side and
solves the rows of the other independently: models/als_solver.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from models import als_solver
from models.als_solver import ALSObjective, FixedSide, solve, solve_cg, with_gram
from models.interactions import confidence_weights
from models.queries import Queries
from models.threads import thread_pool
from models.torch_device import best_device
from models.types import F32, I64, Tensors

BLOCK_INTERACTIONS = 400_000
"""Interactions of a block of rows: one or two seconds of a thread or task. A row's block is the number of interactions
before it, divided by this; so a block exceeds it by its last row at most. Blocks, and so results, depend on the data
alone."""


@dataclass(frozen=True)
class IALSConfig:
    """Hyper-parameters."""

    min_rating: float = 1.0
    """T_R: ratings from here on are interactions (PMRS Eq. 2, read as R >= T_R)."""
    rank: int = 64
    """F: number of latent factors."""
    iterations: int = 10
    """Alternations of users and items."""
    unobserved_weight: float = 0.1
    """a: weight of an unobserved pair."""
    regularization: float = 0.01
    """lambda."""
    exponent: float = 1.0
    """nu of the frequency-scaled regularization."""
    cg_steps: int = 3
    """Conjugate-gradient steps per half-step; 0: exact solutions."""
    seed: int = 7
    """Seed of the initial item factors."""

    @property
    def objective(self) -> ALSObjective:
        """The weights of the objective."""
        return ALSObjective(self.unobserved_weight, self.regularization, self.exponent)


@dataclass(frozen=True)
class ALSModel:
    """Fitted item factors. A query is scored by folding it in (Hu, Koren, Volinsky 2008, Eq. 4): score(u, i) = x_u .
    y_i.

    x_u is the exact solution of the last half-step, for users of the training data and new ones alike.
    """

    factors: F32
    """Y [I, F]; rows of zeros for tracks without interactions."""
    objective: ALSObjective
    min_rating: float = 1.0
    """T_R."""

    @cached_property
    def _side(self) -> FixedSide:
        return with_gram(torch.from_numpy(self.factors))

    def fold_in(self, user_items: csr_array) -> F32:
        """Return x_u [Q, F] float32; zeros for queries without interactions."""
        weights = confidence_weights(user_items, self.min_rating)
        return np.asarray(solve(weights, self._side, self.objective).float().numpy())

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I]."""
        return np.asarray(self.fold_in(queries.user_items) @ self.factors.T)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return what each history item adds to x_u . y_i (Hu, Koren, Volinsky, section 5); 0 below `min_rating`."""
        weights = confidence_weights(user_items, self.min_rating)
        parts = als_solver.contributions(weights, self._side, self.objective, item_ids)
        if weights.nnz == user_items.nnz:
            return parts
        padded = []
        for row, part in enumerate(parts):
            interactions = weights.indices[weights.indptr[row] : weights.indptr[row + 1]]
            history = user_items.indices[user_items.indptr[row] : user_items.indptr[row + 1]]
            active = np.isin(history, interactions)
            padded.append(np.zeros((len(part), active.size), np.float32))
            padded[row][:, active] = part
        return padded

    def tensors(self) -> Tensors:
        """Return `factors` [I, F]."""
        return {"factors": self.factors}


@dataclass(frozen=True)
class ALSState:
    """State of a fit after an iteration. A fit that resumes from it gives the bits of an uninterrupted one."""

    users: F32
    """X [U, F]."""
    items: F32
    """Y [I, F]."""
    iteration: int = 0
    """Completed iterations."""


def init_factors(n_rows: int, rank: int, seed: int) -> Tensor:
    """Return initial factors [n_rows, F]: normal, of expected length 0.1 (Rendle et al., section 3.3)."""
    scale: float = 0.1 / rank**0.5
    return torch.randn(n_rows, rank, generator=torch.Generator().manual_seed(seed)) * scale


def init_state(n_users: int, n_items: int, config: IALSConfig) -> ALSState:
    """Return the state before the first iteration."""
    users = np.zeros((n_users, config.rank), np.float32)
    return ALSState(users, init_factors(n_items, config.rank, config.seed).numpy())


def half_step(weights: csr_array, side: FixedSide, previous: Tensor, config: IALSConfig) -> Tensor:
    """Return the rows' new factors [B, F] float32, on the device of `previous` [B, F]; computed on that of `side`."""
    if config.cg_steps:
        x0 = previous.to(side.factors)
        return solve_cg(weights, side, x0, config.objective, config.cg_steps).to(previous)
    return solve(weights, side, config.objective).to(previous)


def fit(ratings: csr_array, config: IALSConfig) -> F32:
    """Return item factors Y [I, F] of `ratings` [U, I]."""
    return fit_als(confidence_weights(ratings, config.min_rating), config)


def fit_als(
    weights: csr_array,
    config: IALSConfig,
    resume_from: ALSState | None = None,
    on_iteration: Callable[[ALSState], object] = lambda _: None,
    threads: int = 0,
) -> F32:
    """Return item factors Y [I, F] of `weights` [U, I] (s), computed by threads, or on a GPU if there is one.

    `resume_from`: state to continue from. `on_iteration(state)` runs after every iteration. `threads` 0: one per core;
    the result does not depend on their number.
    """
    device = best_device()
    item_weights = csr_array(weights.T.tocsr())
    state = init_state(weights.shape[0], weights.shape[1], config) if resume_from is None else resume_from
    with thread_pool(threads) as pool:

        def step(rows: csr_array, fixed: F32, previous: F32) -> F32:
            side, x0 = pool.submit(with_gram, torch.from_numpy(fixed).to(device)).result(), torch.from_numpy(previous)
            parts = pool.map(lambda block: half_step(rows[block], side, x0[block], config), row_blocks(rows))
            return np.asarray(torch.cat(list(parts)).numpy())

        for iteration in range(state.iteration, config.iterations):
            users = step(weights, state.items, state.users)
            state = ALSState(users, step(item_weights, users, state.items), iteration + 1)
            on_iteration(state)
    return state.items


def fold_in(weights: csr_array, items: F32, config: IALSConfig, threads: int = 0) -> F32:
    """Return the exact factors [U, F] of all users for item factors Y [I, F]; `threads` as in `fit_als`."""
    with thread_pool(threads) as pool:
        side = pool.submit(with_gram, torch.from_numpy(items).to(best_device())).result()
        parts = pool.map(lambda block: solve(weights[block], side, config.objective).float().cpu(), row_blocks(weights))
        return np.asarray(torch.cat(list(parts)).numpy())


def row_blocks(rows: csr_array) -> list[slice]:
    """Return the blocks of rows of a matrix of interactions."""
    block = rows.indptr[:-1].astype(np.int64) // BLOCK_INTERACTIONS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), rows.shape[0]]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def loss(
    weights: csr_array, users: NDArray[np.floating], items: NDArray[np.floating], objective: ALSObjective
) -> float:
    """Return L(X, Y) without computing all U x I scores: the sum of squares over all pairs is the trace of X'X Y'Y."""
    X, Y = users.astype(np.float64), items.astype(np.float64)
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    scores = np.einsum("nf,nf->n", X[rows], Y[weights.indices])
    a = objective.unobserved_weight
    observed = ((a + weights.data) * (1.0 - scores) ** 2 - a * scores**2).sum()
    all_pairs = a * np.sum((X.T @ X) * (Y.T @ Y))
    counts = np.diff(weights.indptr), np.bincount(weights.indices, minlength=len(items))
    user_penalty, item_penalty = (
        objective.penalty(torch.from_numpy(count).double(), n_cols).numpy()
        for count, n_cols in zip(counts, (len(items), len(users)), strict=True)
    )
    return float(observed + all_pairs + user_penalty @ (X**2).sum(1) + item_penalty @ (Y**2).sum(1))
