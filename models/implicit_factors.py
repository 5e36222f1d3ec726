"""Implicit-feedback matrix factors, asked by anybody: closed-form fold-in (Hu, Koren, Volinsky 2008, Eq. 4).

    x_u = (Y'Y + Y'(C_u - I)Y + lambda n_u I)^-1 Y' C_u p_u,    c_ui = 1 + alpha s_ui,  p_ui = 1 where u likes i
    score(u, i) = x_u . y_i

n_u is the number of tracks that u likes (the frequency-scaled regularisation of MLlib's ALS and of Rendle et al. 2022). For a user
whose likes were learned from it gives the very factors that the last half-step of ALS gave.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.top_n import Floats, Ints, Tensors, liked


@dataclass(frozen=True)
class ImplicitFactors:
    """Item factors with what they were fitted with."""

    factors: Floats
    """Y [I, F]; rows of zeros for tracks without a listener."""
    regularisation: float
    """lambda."""
    alpha: float
    """Confidence by strength."""
    min_rating: float = 1.0
    """T_R."""

    def fold_in(self, asked: csr_array) -> Floats:
        """x_u [Q, F] float32; zeros for whoever likes nothing."""
        likes = liked(asked, self.min_rating)
        items = self.factors.astype(np.float64)
        gram = items.T @ items
        found = np.zeros((asked.shape[0], items.shape[1]))
        kept = asked.copy()
        kept.data = np.where(kept.data >= self.min_rating, strength(np.maximum(kept.data, self.min_rating)), 0.0)
        kept.eliminate_zeros()
        for row in np.flatnonzero(np.diff(likes.indptr)):
            span = slice(kept.indptr[row], kept.indptr[row + 1])
            mine, weight = items[kept.indices[span]], self.alpha * kept.data[span].astype(np.float64)
            left = gram + (mine.T * weight) @ mine + self.regularisation * weight.size * np.eye(len(gram))
            found[row] = np.linalg.solve(left, mine.T @ (1.0 + weight))
        return found.astype(np.float32)

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]."""
        return np.asarray(self.fold_in(asked) @ self.factors.T)

    def near(self, items: Ints, history: Ints) -> Floats:
        """[n, H]: cosine of factors."""
        return cosines(self.factors, items, history)

    def tensors(self) -> Tensors:
        """`factors` [I, F]."""
        return {"factors": self.factors}


def cosines(factors: Floats, items: Ints, history: Ints) -> Floats:
    """[n, H]: cosine of the factors [I, F] of `items` [n] and of `history` [H]; 0 for factors of length 0."""
    return np.asarray(_unit(factors[items]) @ _unit(factors[history]).T)


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12))


def strength(ratings: Floats) -> Floats:
    """S = 1 + log2 R: 700 plays count about ten times one play, as the `collaborative` job has it."""
    return np.asarray(1.0 + np.log2(ratings))
