"""Implicit ALS: how items and users get their factors (Hu, Koren, Volinsky 2008; Rendle et al. 2022).

    L(X, Y) = sum over (u, i) in S of (a + s_ui) (1 - x_u . y_i)^2  +  a  sum over all other (u, i) of (x_u . y_i)^2
              + lambda ( sum over u of (n_u + a |I|)^nu |x_u|^2  +  sum over i of (n_i + a |U|)^nu |y_i|^2 )

S: the pairs that somebody likes, s_ui > 0 how much; n_u, n_i: how many of them a user or an item has; a: what a pair weighs of
which nothing is known. This is Hu's objective by 1 / alpha (a = 1 / alpha, its confidence 1 + alpha s) with the frequency-scaled
regularisation of Rendle et al. (their Eq. 7; nu = 1 is their best, nu = 0 is Hu's). A half-step fixes one side and solves
the other's rows, each by itself: models/als_rows.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from models.als_rows import Fixed, Objective, approach, fixed, solve, strengths
from models.device import best_device
from models.top_n import Floats
from models.workers import workers


@dataclass(frozen=True)
class IALSConfig:
    """Size and fit of the factorisation."""

    min_rating: float = 1.0
    """T_R: ratings from here on are likes (PMRS Eq. 2, read as R >= T_R)."""
    rank: int = 64
    """Number of latent factors."""
    iterations: int = 10
    """Alternations of users and items."""
    unobserved: float = 0.1
    """a: weight of a pair of which nothing is known."""
    regularisation: float = 0.01
    """lambda."""
    exponent: float = 1.0
    """nu of the regularisation's scale."""
    steps: int = 3
    """Of conjugate gradients in a half-step; 0: exactly."""
    seed: int = 7
    """Of the first item factors."""

    @property
    def objective(self) -> Objective:
        """What these settings minimise."""
        return Objective(self.unobserved, self.regularisation, self.exponent)


def first(rows: int, rank: int, seed: int) -> Tensor:
    """The factors from which a cold fit starts [rows, F]: normal, of expected length 0.1 (Rendle et al., section 3.3)."""
    scale: float = 0.1 / rank**0.5
    return torch.randn(rows, rank, generator=torch.Generator().manual_seed(seed)) * scale


@dataclass(frozen=True)
class State:
    """Where a fit stands: whoever goes on from it gets the bits of one that was never interrupted."""

    users: Floats
    """X [U, F]."""
    items: Floats
    """Y [I, F]."""
    iteration: int = 0
    """How many are done."""


def cold(users: int, items: int, config: IALSConfig) -> State:
    """Where a fit of so many rows begins."""
    return State(np.zeros((users, config.rank), np.float32), first(items, config.rank, config.seed).numpy())


def half_step(likes: csr_array, side: Fixed, start: Tensor, config: IALSConfig) -> Tensor:
    """The rows' new factors [B, F] float32, by as many steps as the config has; computed where `side` is, then where `start` is."""
    if config.steps:
        return approach(likes, side, start.to(side.factors), config.objective, config.steps).to(start)
    return solve(likes, side, config.objective).to(start)


BLOCK_LIKES = 400_000
"""Likes of a block of rows, which one thread or task solves in a second or two. A row's block is the number of likes before it by
this, so that a block has its last row's besides at most. It depends on the data alone, so that results do."""


def fit(ratings: csr_array, config: IALSConfig) -> Floats:
    """Item factors Y [I, F] of `ratings` [U, I], on one machine."""
    return alternate(strengths(ratings, config.min_rating), config)


def alternate(
    likes: csr_array,
    config: IALSConfig,
    start: State | None = None,
    told: Callable[[State], object] = lambda _: None,
    threads: int = 0,
) -> Floats:
    """Item factors Y [I, F] of `likes` [U, I] (strengths), on one machine: blocks of rows are dealt out to threads.

    `start`: where to go on, else cold; `told`: hears of each iteration; `threads`: 0: as many as there are cores. The same bits
    whatever their number. On a GPU where there is one.
    """
    device = best_device()
    listeners = csr_array(likes.T.tocsr())
    state = cold(likes.shape[0], likes.shape[1], config) if start is None else start
    with workers(threads) as pool:

        def step(rows: csr_array, other: Floats, own: Floats) -> Floats:
            side, before = pool.submit(fixed, torch.from_numpy(other).to(device)).result(), torch.from_numpy(own)
            parts = pool.map(lambda span: half_step(rows[span], side, before[span], config), spans(rows))
            return np.asarray(torch.cat(list(parts)).numpy())

        for iteration in range(state.iteration, config.iterations):
            users = step(likes, state.items, state.users)
            state = State(users, step(listeners, users, state.items), iteration + 1)
            told(state)
    return state.items


def folded(likes: csr_array, items: Floats, config: IALSConfig, threads: int = 0) -> Floats:
    """Every user's factors [U, F], solved exactly for item factors Y [I, F]; dealt out as above."""
    with workers(threads) as pool:
        side = pool.submit(fixed, torch.from_numpy(items).to(best_device())).result()
        parts = pool.map(lambda span: solve(likes[span], side, config.objective).float().cpu(), spans(likes))
        return np.asarray(torch.cat(list(parts)).numpy())


def spans(rows: csr_array) -> list[slice]:
    """The blocks of a matrix of likes."""
    block = rows.indptr[:-1].astype(np.int64) // BLOCK_LIKES
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), rows.shape[0]]
    return [slice(begin, end) for begin, end in pairwise(edges)]


def loss(likes: csr_array, users: NDArray[np.floating], items: NDArray[np.floating], objective: Objective) -> float:
    """L(X, Y), without the I x U scores: the square over all pairs is the trace of X'X Y'Y."""
    mine, theirs = users.astype(np.float64), items.astype(np.float64)
    rows = np.repeat(np.arange(likes.shape[0]), np.diff(likes.indptr))
    scores = np.einsum("nf,nf->n", mine[rows], theirs[likes.indices])
    a = objective.unobserved
    seen = ((a + likes.data) * (1.0 - scores) ** 2 - a * scores**2).sum()
    every = a * np.sum((mine.T @ mine) * (theirs.T @ theirs))
    counts = np.diff(likes.indptr), np.bincount(likes.indices, minlength=len(items))
    by_user, by_item = (
        objective.penalty(torch.from_numpy(count).double(), across).numpy()
        for count, across in zip(counts, (len(items), len(users)), strict=True)
    )
    return float(seen + every + by_user @ (mine**2).sum(1) + by_item @ (theirs**2).sum(1))
