"""BPR: matrix factorization for ranking by pairs (Rendle et al. 2009).

    L(X, Y, b) = sum over (u, i) in S, j sampled from the items that u does not like:
                 -ln sigma(s_ui - s_uj) + lambda / 2 (|x_u|^2 + |y_i|^2 + |y_j|^2),    s_ui = x_u . y_i + b_i

S: observed pairs. Negatives j are sampled uniformly from the items that have an interaction, anew in each epoch; items
that u likes are sampled again. An epoch visits every pair of S once, in random order, in batches of BATCH_SIZE. Each
batch is one step of Adagrad (Duchi et al. 2011) per row, with the sum of the row's gradients. The fit uses one thread
and one generator, so that equal seeds give equal bits. models/bpr_model.py scores queries. Memory: 8 (F + 1) bytes per
user and track, and 24 per interaction.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.bpr_model import BPRModel, FoldInConfig
from models.interactions import binarize
from models.threads import thread_pool

BATCH_SIZE = 1_024
"""Pairs per step: few compared with a catalogue, many compared with the overhead of a step."""
MAX_RESAMPLES = 20
"""A pair is skipped in this epoch if so many samples were all items that the user likes."""


@dataclass(frozen=True)
class BPRConfig:
    """Hyper-parameters."""

    min_rating: float = 1.0
    """T_R: ratings from here on are interactions."""
    rank: int = 64
    """F: number of latent factors, without the bias."""
    epochs: int = 100
    learning_rate: float = 0.1
    """Adagrad's; the length of a row's first step."""
    regularization: float = 0.01
    """lambda, for each pair in which a row occurs."""
    fold_in_negatives: int = 500
    """Negatives that a query's interactions are compared with."""
    fold_in_steps: int = 30
    """Gradient steps that fold in a query."""
    seed: int = 7


class _AdagradRows:
    """Parameters [N, F] whose rows are updated sparsely."""

    def __init__(self, values: Tensor, learning_rate: float) -> None:
        self.values, self._learning_rate = values, learning_rate
        self._squares = torch.full_like(values, 1e-8)

    def step(self, rows: Tensor, grad: Tensor) -> None:
        """Update `rows` [B] by the sums of their gradients `grad` [B, F]; rows may repeat."""
        unique, index = torch.unique(rows, return_inverse=True)
        sums = torch.zeros(len(unique), grad.shape[1]).index_add_(0, index, grad)
        squares = self._squares[unique] + sums**2
        self._squares[unique] = squares
        self.values[unique] -= self._learning_rate * sums / squares.sqrt()


def fit(ratings: csr_array, config: BPRConfig, on_epoch: Callable[[int], object] = lambda _: None) -> BPRModel:
    """Fit factors and biases to `ratings` [U, I]. `on_epoch(n)` runs after every epoch."""
    with thread_pool(1) as pool:
        return pool.submit(_fit, binarize(ratings, config.min_rating), config, on_epoch).result()


def _fit(interactions: csr_array, config: BPRConfig, on_epoch: Callable[[int], object]) -> BPRModel:
    rng = torch.Generator().manual_seed(config.seed)
    observed = torch.from_numpy(np.flatnonzero(np.bincount(interactions.indices, minlength=interactions.shape[1])))
    # normal, of expected length 0.1, as ALS starts
    scale = 0.1 / config.rank**0.5
    users, items = (
        _AdagradRows(torch.randn(n, config.rank, generator=rng) * scale, config.learning_rate)
        for n in interactions.shape
    )
    biases = _AdagradRows(torch.zeros(interactions.shape[1], 1), config.learning_rate)
    for epoch in range(config.epochs):
        for user, positive, negative in _sample_triples(interactions, observed, rng):
            bias_diff = biases.values[positive] - biases.values[negative]
            x, y_i, y_j = users.values[user], items.values[positive], items.values[negative]
            grad_x, grad_i, grad_j, grad_bias = _gradients(x, y_i, y_j, bias_diff, config.regularization)
            both = torch.cat([positive, negative])
            users.step(user, grad_x)
            items.step(both, torch.cat([grad_i, grad_j]))
            biases.step(both, torch.cat([grad_bias, -grad_bias]))
        on_epoch(epoch + 1)
    factors, bias = torch.zeros_like(items.values), torch.zeros(interactions.shape[1])
    factors[observed], bias[observed] = items.values[observed], biases.values[observed, 0]
    negatives = observed[torch.randperm(len(observed), generator=rng)[: config.fold_in_negatives]].sort().values
    fold_in = FoldInConfig(config.regularization, config.fold_in_steps)
    return BPRModel(factors.numpy(), bias.numpy(), negatives.numpy(), fold_in, config.min_rating)


def _gradients(
    x: Tensor, y_i: Tensor, y_j: Tensor, bias_diff: Tensor, regularization: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of each pair's loss by x, y_i, y_j [B, F] and b_i [B, 1]. `bias_diff` [B, 1]: b_i - b_j."""
    error = torch.sigmoid(-((x * (y_i - y_j)).sum(1, keepdim=True) + bias_diff))
    grad_x = regularization * x - error * (y_i - y_j)
    return grad_x, regularization * y_i - error * x, regularization * y_j + error * x, -error


def _sample_triples(
    interactions: csr_array, observed: Tensor, rng: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (user, positive, negative) batches [at most BATCH_SIZE] of all interactions in random order."""
    if not interactions.nnz:
        return
    n_items = interactions.shape[1]
    users = torch.from_numpy(np.repeat(np.arange(interactions.shape[0]), np.diff(interactions.indptr)))
    items = torch.from_numpy(interactions.indices.astype(np.int64))
    pairs = torch.sort(users * n_items + items).values
    for batch in torch.split(torch.randperm(len(items), generator=rng), BATCH_SIZE):
        user = users[batch]
        negative = observed[torch.randint(len(observed), user.shape, generator=rng)]
        for _ in range(MAX_RESAMPLES):
            liked = torch.nonzero(_is_member(pairs, user * n_items + negative))[:, 0]
            if not len(liked):
                break
            negative[liked] = observed[torch.randint(len(observed), liked.shape, generator=rng)]
        valid = ~_is_member(pairs, user * n_items + negative)
        yield user[valid], items[batch][valid], negative[valid]


def _is_member(ordered: Tensor, keys: Tensor) -> Tensor:
    return ordered[torch.searchsorted(ordered, keys).clamp(max=len(ordered) - 1)] == keys
