"""BPR: factors that put what a user likes before what the user does not (Rendle et al. 2009).

    L(X, Y, b) = sum over (u, i) in S, j drawn from what u does not like:
                 -ln sigma(s_ui - s_uj) + lambda / 2 (|x_u|^2 + |y_i|^2 + |y_j|^2),    s_ui = x_u . y_i + b_i

S: the pairs that somebody likes. j is drawn evenly from the tracks that somebody likes, anew in each pass, and again where u likes
it. A pass takes every pair of S once, in an order that is drawn, BATCH of them at a time: a step of Adagrad (Duchi et al. 2011) for
each row that occurs, by the sum of its gradients. One thread and one generator, so that equal seeds give equal bits. What a user is
answered by: models/pairwise_factors.py. Memory: 8 (F + 1) bytes per user and track, and 24 per like.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.pairwise_factors import FoldIn, PairwiseFactors
from models.top_n import liked
from models.workers import workers

BATCH = 1_024
"""Pairs of one step: few against the tracks of a catalogue, many against the cost of a step."""
DRAWS = 20
"""A pair is passed over, this time, where so many draws have found nothing but what the user likes."""


@dataclass(frozen=True)
class BPRConfig:
    """Size and fit of the factorisation."""

    min_rating: float = 1.0
    """T_R: ratings from here on are likes."""
    rank: int = 64
    """Number of latent factors, beside the bias."""
    passes: int = 100
    """Over all likes."""
    rate: float = 0.1
    """Of Adagrad: the length of a row's first step."""
    regularisation: float = 0.01
    """lambda, for each pair in which a row occurs."""
    rivals: int = 500
    """Tracks against which the likes of whoever asks are held."""
    steps: int = 30
    """Towards the factors of whoever asks."""
    seed: int = 7


class _Rows:
    """Rows [N, F] that are learned."""

    def __init__(self, values: Tensor, rate: float) -> None:
        self.values, self._rate = values, rate
        self._squares = torch.full_like(values, 1e-8)

    def step(self, rows: Tensor, uphill: Tensor) -> None:
        """Down the sum of the gradients `uphill` [B, F] of `rows` [B], which may occur several times."""
        mine, place = torch.unique(rows, return_inverse=True)
        sums = torch.zeros(len(mine), uphill.shape[1]).index_add_(0, place, uphill)
        squares = self._squares[mine] + sums**2
        self._squares[mine] = squares
        self.values[mine] -= self._rate * sums / squares.sqrt()


def fit(ratings: csr_array, config: BPRConfig, told: Callable[[int], object] = lambda _: None) -> PairwiseFactors:
    """Learn them. `ratings` [U, I]; `told` hears of each pass."""
    with workers(1) as pool:
        return pool.submit(_fit, liked(ratings, config.min_rating), config, told).result()


def _fit(likes: csr_array, config: BPRConfig, told: Callable[[int], object]) -> PairwiseFactors:
    chance = torch.Generator().manual_seed(config.seed)
    known = torch.from_numpy(np.flatnonzero(np.bincount(likes.indices, minlength=likes.shape[1])))
    # normal, of expected length 0.1, as our ALS begins
    scale = 0.1 / config.rank**0.5
    users, items = (_Rows(torch.randn(n, config.rank, generator=chance) * scale, config.rate) for n in likes.shape)
    biases = _Rows(torch.zeros(likes.shape[1], 1), config.rate)
    for number in range(config.passes):
        for who, what, other in _triples(likes, known, chance):
            rows = users.values[who], items.values[what], items.values[other]
            ahead = biases.values[what] - biases.values[other]
            by_user, by_liked, by_other, by_bias = _gradients(*rows, ahead, config.regularisation)
            both = torch.cat([what, other])
            users.step(who, by_user)
            items.step(both, torch.cat([by_liked, by_other]))
            biases.step(both, torch.cat([by_bias, -by_bias]))
        told(number + 1)
    factors, bias = torch.zeros_like(items.values), torch.zeros(likes.shape[1])
    factors[known], bias[known] = items.values[known], biases.values[known, 0]
    rivals = known[torch.randperm(len(known), generator=chance)[: config.rivals]].sort().values
    fold_in = FoldIn(config.regularisation, config.steps)
    return PairwiseFactors(factors.numpy(), bias.numpy(), rivals.numpy(), fold_in, config.min_rating)


def _gradients(x: Tensor, y: Tensor, z: Tensor, ahead: Tensor, shrink: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each pair's loss, by the user's `x`, the liked track's `y`, the other's `z` [B, F] and the liked one's bias [B, 1].

    `ahead` [B, 1]: b_i - b_j; `shrink`: lambda.
    """
    wrong = torch.sigmoid(-((x * (y - z)).sum(1, keepdim=True) + ahead))
    return shrink * x - wrong * (y - z), shrink * y - wrong * x, shrink * z + wrong * x, -wrong


def _triples(likes: csr_array, known: Tensor, chance: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """All likes in a drawn order: users, what they like, and what they do not [at most BATCH each]."""
    if not likes.nnz:
        return
    user = torch.from_numpy(np.repeat(np.arange(likes.shape[0]), np.diff(likes.indptr)))
    item = torch.from_numpy(likes.indices.astype(np.int64))
    pairs = torch.sort(user * likes.shape[1] + item).values
    for places in torch.split(torch.randperm(len(item), generator=chance), BATCH):
        who = user[places]
        other = known[torch.randint(len(known), who.shape, generator=chance)]
        for _ in range(DRAWS):
            taken = torch.nonzero(_among(pairs, who * likes.shape[1] + other))[:, 0]
            if not len(taken):
                break
            other[taken] = known[torch.randint(len(known), taken.shape, generator=chance)]
        fine = ~_among(pairs, who * likes.shape[1] + other)
        yield who[fine], item[places][fine], other[fine]


def _among(ordered: Tensor, wanted: Tensor) -> Tensor:
    return ordered[torch.searchsorted(ordered, wanted).clamp(max=len(ordered) - 1)] == wanted
