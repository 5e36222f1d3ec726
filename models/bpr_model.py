"""The fitted BPR model (models/bpr.py). Queries are folded in by minimizing the same loss with fixed items:

    min over x of  mean over i in S_u, j in N without S_u of -ln sigma(s_i - s_j)  +  lambda / 2 |x|^2,    s_i = x . y_i + b_i

Instead of new samples every query has the same negatives N, sampled uniformly when the model was fitted. The problem is
strictly convex. A fixed number of Nesterov's accelerated gradient steps (1983) starts from 0; the step length follows
from each query's curvature. Every step adds multiples a_ij of y_i - y_j, so that after any number of steps

    x = sum over i, j of a_ij (y_i - y_j),    score(c) = b_c + sum over i of [ sum over j of a_ij (y_i - y_j) ] . y_c

holds exactly. The contribution of history item i is its bracket times y_c; b_c is no contribution of an item. The user
factors of the fit are not stored: users of the training data are folded in like all others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.interactions import binarize
from models.padded_batches import padded_batches
from models.queries import Queries
from models.types import F32, I64, Tensors

MAX_BATCH_CELLS = 2_000_000
"""(interaction, negative) pairs of the queries of a batch: 8 MB, and five such arrays live at a time."""


@dataclass(frozen=True)
class FoldInConfig:
    """How queries are folded in."""

    regularization: float = 0.01
    """lambda."""
    steps: int = 30


@dataclass(frozen=True)
class _QueryBatch:
    """Queries of similar length, padded to n interactions."""

    rows: Tensor
    """[b] row numbers of the queries."""
    positives: Tensor
    """y_i [b, n, F]."""
    bias_diff: Tensor
    """b_i - b_j [b, n, J]."""
    pair_weights: Tensor
    """Weight of each pair in the mean [b, n, J]; 0 where the negative is liked, and for padding."""


@dataclass(frozen=True)
class BPRModel:
    """Item factors, biases, and the negatives for folding in."""

    factors: F32
    """Y [I, F]; rows of zeros for tracks without interactions."""
    biases: F32
    """b [I]; 0 for tracks without interactions."""
    negatives: I64
    """N [J]: tracks with interactions."""
    fold_in_config: FoldInConfig
    min_rating: float = 1.0
    """T_R."""

    @cached_property
    def _items(self) -> Tensor:
        return torch.from_numpy(self.factors)

    @cached_property
    def _negative_factors(self) -> Tensor:
        """y_j [J, F]."""
        return self._items[torch.from_numpy(self.negatives)]

    def fold_in(self, user_items: csr_array) -> F32:
        """Return x_u [Q, F] float32; zeros for queries without interactions."""
        x = torch.zeros(user_items.shape[0], self.factors.shape[1])
        for batch in self._batches(user_items):
            x[batch.rows] = self._combine(batch, self._coefficients(batch))
        return np.asarray(x.numpy())

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I]; the biases alone for queries without interactions."""
        return np.asarray(self.fold_in(queries.user_items) @ self.factors.T + self.biases)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return what each history item adds to a score; all of them and the item's bias sum to it."""
        lengths = np.diff(user_items.indptr)
        shares = [np.zeros((items.size, lengths[row]), np.float32) for row, items in enumerate(item_ids)]
        for batch in self._batches(user_items):
            a = self._coefficients(batch)
            brackets = (a.sum(2, keepdim=True) * batch.positives - a @ self._negative_factors).numpy()  # [b, n, F]
            for index, row in enumerate(batch.rows.tolist()):
                active = user_items.data[user_items.indptr[row] : user_items.indptr[row + 1]] >= self.min_rating
                shares[row][:, active] = self.factors[item_ids[row]] @ brackets[index, : active.sum()].T
        return shares

    def tensors(self) -> Tensors:
        """Return `factors` [I, F], `biases` [I] and `negatives` [J]."""
        return {"factors": self.factors, "biases": self.biases, "negatives": self.negatives}

    def _batches(self, user_items: csr_array) -> Iterator[_QueryBatch]:
        """Yield the queries that have interactions."""
        interactions, biases = binarize(user_items, self.min_rating), torch.from_numpy(self.biases)
        max_cells = MAX_BATCH_CELLS * self.factors.shape[1] // max(1, self.negatives.size)
        for batch in padded_batches(interactions, self._items, max_cells):
            unliked = 1.0 - torch.from_numpy(interactions[batch.rows.numpy()][:, self.negatives].toarray())
            pairs = batch.weights[:, :, None] * unliked[:, None, :]
            pair_weights = pairs / pairs.sum((1, 2), keepdim=True).clamp(min=1.0)
            bias_diff = biases[batch.columns][:, :, None] - biases[torch.from_numpy(self.negatives)]
            yield _QueryBatch(batch.rows, self._items[batch.columns], bias_diff, pair_weights)

    def _coefficients(self, batch: _QueryBatch) -> Tensor:
        """Return a_ij [b, n, J]."""
        config = self.fold_in_config
        # without regularization a query whose items are all alike has no curvature
        rate = 1.0 / (config.regularization + self._curvature(batch)).clamp(min=1e-9)[:, None, None]
        a = previous = torch.zeros_like(batch.pair_weights)
        for step in range(config.steps):
            extrapolated = a + step / (step + 3) * (a - previous)
            x = self._combine(batch, extrapolated)[:, :, None]
            margin = batch.positives @ x - (self._negative_factors @ x).mT + batch.bias_diff
            error = torch.sigmoid(-margin) * batch.pair_weights
            previous, a = a, (1.0 - rate * config.regularization) * extrapolated + rate * error
        return a

    def _combine(self, batch: _QueryBatch, a: Tensor) -> Tensor:
        """Return x [b, F]: the sum of a_ij (y_i - y_j)."""
        return (a.sum(2)[:, None, :] @ batch.positives)[:, 0] - a.sum(1) @ self._negative_factors

    def _curvature(self, batch: _QueryBatch) -> Tensor:
        """Return an upper bound [b] of the loss's curvature: a quarter of the mean |y_i - y_j|^2."""
        w_i, w_j = batch.pair_weights.sum(2), batch.pair_weights.sum(1)
        norms = (w_i * (batch.positives**2).sum(2)).sum(1) + w_j @ (self._negative_factors**2).sum(1)
        mean_positive = (w_i[:, None, :] @ batch.positives)[:, 0]
        # all positives of a query have the same negatives, so that the mean of products is the product of means
        return (norms - 2.0 * (mean_positive * (w_j @ self._negative_factors)).sum(1)) / 4.0
