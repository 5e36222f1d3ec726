"""Implicit-feedback matrix factors, asked by anybody: closed-form fold-in (Hu, Koren, Volinsky 2008, Eq. 4).

The asker's factors are the row that the last half-step of ALS would have given (equation: models/als_rows.py), exactly: for a
user whose likes were learned from as for anybody else. score(u, i) = x_u . y_i.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array

from models.als_rows import Fixed, Objective, carried, fixed, solve, strengths
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

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """What each like adds to x_u . y_i, by the fold-in's own equation (Hu, Koren, Volinsky, section 5)."""
        kept = strengths(asked, self.min_rating)
        parts = carried(kept, self._side, self.objective, picked)
        if kept.nnz == asked.nnz:
            return parts
        found = []
        for row, part in enumerate(parts):
            mine = kept.indices[kept.indptr[row] : kept.indptr[row + 1]]
            likes = np.isin(asked.indices[asked.indptr[row] : asked.indptr[row + 1]], mine)
            found.append(np.zeros((len(part), likes.size), np.float32))
            found[row][:, likes] = part
        return found

    def tensors(self) -> Tensors:
        """`factors` [I, F]."""
        return {"factors": self.factors}
