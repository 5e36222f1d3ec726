"""Sparse weights between tracks, asked by anybody: what item-kNN and sparse EASE have learned.

score(u, j) = sum over i in U_M of u of W[i, j]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.top_n import Floats, Ints, Tensors, by_weights, liked


@dataclass(frozen=True)
class ItemWeights:
    """The kept weights."""

    weights: csr_array
    """W [I, I] float32, from history track (row) to recommended track (column); the diagonal is empty."""
    min_rating: float
    """T_R: ratings from here on are the history."""

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]: sums of weights, 0 where nothing is near."""
        found = liked(asked, self.min_rating) @ self.weights
        return np.asarray(found.toarray(), dtype=np.float32)

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """The weights that the score sums."""
        return by_weights(
            asked, picked, lambda history, items: self.weights[history][:, items].toarray(), self.min_rating
        )

    def tensors(self) -> Tensors:
        """The sparse matrix: `values`, `columns`, `row_ends`."""
        return {"values": self.weights.data, "columns": self.weights.indices, "row_ends": self.weights.indptr}
