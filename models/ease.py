"""EASE: a linear autoencoder with a closed form (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data").

    min over B of ||X - X B||^2 + ||L^1/2 B||^2, with diag(B) = 0,   L = lambda I + p / (1 - p) diag(X'X)
    P = (X'X + L)^-1,   B = I - P diag(1 / diag P)                                               Steck's Eq. 8
    score(u, j) = sum over i in U_M of u of B[i, j]

p = 0 is EASE. With p above 0 B is what a denoising autoencoder would learn from which each like is hidden with probability p, on
average over what it may hide (EDLAE: Steck 2020, "Autoencoders that don't overfit towards the Identity"): a track is not to be
told by one other alone, the less so the more listeners that has.

B is dense. Computing it takes up to twice 8 I^2 bytes (measured at 5,000 tracks of which all pairs have a common listener):
6.4 GB for 20,000 tracks, of which 1.6 GB stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array

from models.top_n import Floats, Ints, Tensors, TooLarge, by_weights, liked

MOST_TRACKS = 20_000
"""Larger catalogues want a sparse item-item model."""


@dataclass(frozen=True)
class EASEConfig:
    """The two numbers of the method."""

    min_rating: float = 1.0
    """T_R: ratings from here on are a 1 in X."""
    regularisation: float = 100.0
    """lambda, in listeners; the paper's best lie between 200 and 1000 on data with many more users."""
    dropout: float = 0.0
    """p: share of the likes that are hidden while it learns, 0 to below 1."""


@dataclass(frozen=True)
class EASE:
    """The weights."""

    weights: Floats
    """B [I, I], diagonal 0."""
    min_rating: float

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]: may be negative."""
        return np.asarray(liked(asked, self.min_rating) @ self.weights, dtype=np.float32)

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """The weights that the score sums."""
        return by_weights(asked, picked, lambda history, items: self.weights[np.ix_(history, items)], self.min_rating)

    def tensors(self) -> Tensors:
        """`weights` [I, I]."""
        return {"weights": self.weights}


def fit(ratings: csr_array, config: EASEConfig) -> EASE:
    """Solve it. `ratings` [U, I]. Raises TooLarge for a catalogue above MOST_TRACKS."""
    tracks = ratings.shape[1]
    if tracks > MOST_TRACKS:
        raise TooLarge(f"EASE takes catalogues up to {MOST_TRACKS:,} tracks, and this one has {tracks:,}.")
    if not tracks:
        return EASE(np.zeros((0, 0), np.float32), config.min_rating)
    likes = liked(ratings, config.min_rating).astype(np.float64)
    gram = (likes.T @ likes).toarray(order="F")
    gram[np.diag_indices(tracks)] += config.regularisation + config.dropout / (1.0 - config.dropout) * gram.diagonal()
    weights = _inverse(gram)
    weights /= -weights.diagonal()  # column j by P[j, j]
    weights[np.diag_indices(tracks)] = 0.0
    return EASE(weights.astype(np.float32), config.min_rating)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a symmetric positive definite matrix in Fortran order, in its own memory."""
    factor, failed = dpotrf(matrix, lower=1, overwrite_a=1)
    found, singular = dpotri(factor, lower=1, overwrite_c=1)
    if failed or singular:
        raise LinAlgError("X'X + lambda I cannot be inverted; regularisation must be above 0.")
    for place in range(len(found)):
        found[place, place + 1 :] = found[place + 1 :, place]
    return np.asarray(found)
