"""Implicit-feedback matrix factors, asked by anybody: closed-form fold-in (Hu, Koren, Volinsky 2008, Eq. 4).

The asker's factors are the row that the last half-step of ALS would have given (models/ials.py has the equation), exactly: for a
user whose likes were learned from as for anybody else. score(u, i) = x_u . y_i.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array

from models.ials import Fixed, Objective, fixed, solve, strengths
from models.top_n import Floats, Ints, Tensors


@dataclass(frozen=True)
class ImplicitFactors:
    """Item factors with what they were fitted with."""

    factors: Floats
    """Y [I, F]; rows of zeros for tracks without a listener."""
    objective: Objective
    min_rating: float = 1.0
    """T_R."""

    @cached_property
    def _side(self) -> Fixed:
        return fixed(torch.from_numpy(self.factors))

    def fold_in(self, asked: csr_array) -> Floats:
        """x_u [Q, F] float32; zeros for whoever likes nothing."""
        return np.asarray(solve(strengths(asked, self.min_rating), self._side, self.objective).float().numpy())

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
