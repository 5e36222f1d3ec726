"""EASE: a linear autoencoder with a closed-form solution (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse
Data").

    min over B of ||X - X B||^2 + ||L^1/2 B||^2, with diag(B) = 0,   L = lambda I + p / (1 - p) diag(X'X)
    P = (X'X + L)^-1,   B = I - P diag(1 / diag P)                                               Steck's Eq. 8
    score(u, j) = sum over liked items i of u of B[i, j]

p = 0 is EASE. p > 0 is EDLAE (Steck 2020, "Autoencoders that don't overfit towards the Identity"): a denoising
autoencoder that hides each interaction with probability p, in expectation. It keeps a prediction from resting on a
single popular track.

B is dense: 1.6 GB for 20,000 tracks. If there are fewer users than tracks, models/ease_by_users.py computes it from a
U x U system. Otherwise the fit inverts X'X + L, which takes up to 2 x 8 I^2 bytes: 6.4 GB for 20,000 tracks (measured
with 5,000 tracks that all have common users).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models import ease_by_users
from models.explain import contributions_from_weights
from models.interactions import binarize
from models.protocol import CatalogTooLargeError
from models.queries import Queries
from models.threads import thread_pool
from models.types import F32, I64, Tensors

MAX_TRACKS = 20_000
"""Larger catalogues need a sparse item-item model."""


@dataclass(frozen=True)
class EASEConfig:
    """Hyper-parameters."""

    min_rating: float = 1.0
    """T_R: ratings from here on are a 1 in X."""
    regularization: float = 100.0
    """lambda, in users; the paper's best values are 200 to 1000, for data with many more users."""
    dropout: float = 0.0
    """p: probability that an interaction is hidden in training, 0 <= p < 1."""


@dataclass(frozen=True)
class EASE:
    """A fitted EASE model."""

    weights: F32
    """B [I, I], diagonal 0."""
    min_rating: float

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I]; they may be negative."""
        return np.asarray(binarize(queries.user_items, self.min_rating) @ self.weights, dtype=np.float32)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return the weights that each score sums."""
        return contributions_from_weights(
            user_items, item_ids, lambda history, items: self.weights[np.ix_(history, items)], self.min_rating
        )

    def tensors(self) -> Tensors:
        """Return `weights` [I, I]."""
        return {"weights": self.weights}


def fit(ratings: csr_array, config: EASEConfig) -> EASE:
    """Compute B of `ratings` [U, I]. Raises CatalogTooLargeError for more than MAX_TRACKS tracks."""
    n_tracks = ratings.shape[1]
    if n_tracks > MAX_TRACKS:
        raise CatalogTooLargeError(f"EASE supports at most {MAX_TRACKS:,} tracks; this catalogue has {n_tracks:,}.")
    if not n_tracks:
        return EASE(np.zeros((0, 0), np.float32), config.min_rating)
    interactions = binarize(ratings, config.min_rating).astype(np.float64)
    counts = np.asarray(interactions.sum(axis=0)).ravel()
    penalty = config.regularization + config.dropout / (1.0 - config.dropout) * counts
    if interactions.shape[0] < n_tracks:
        with thread_pool(0) as pool:
            return EASE(ease_by_users.weights(interactions, penalty, pool), config.min_rating)
    gram = (interactions.T @ interactions).toarray(order="F")
    gram[np.diag_indices(n_tracks)] += penalty
    weights = ease_by_users.invert(gram)
    weights /= -weights.diagonal()  # column j by P[j, j]
    weights[np.diag_indices(n_tracks)] = 0.0
    return EASE(weights.astype(np.float32), config.min_rating)
