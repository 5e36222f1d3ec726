"""A sparse item-item model: what item-kNN and sparse EASE learn.

score(u, j) = sum over liked items i of u of W[i, j]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.explain import contributions_from_weights
from models.interactions import binarize
from models.queries import Queries
from models.types import F32, I64, Tensors


@dataclass(frozen=True)
class ItemItemModel:
    """Sparse weights between items."""

    weights: csr_array
    """W [I, I] float32, from history item (row) to recommended item (column); the diagonal is empty."""
    min_rating: float
    """T_R: ratings from here on form the history."""

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I]: sums of weights, 0 where no history item has the candidate as a neighbor."""
        scores = binarize(queries.user_items, self.min_rating) @ self.weights
        return np.asarray(scores.toarray(), dtype=np.float32)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return the weights that each score sums."""
        return contributions_from_weights(
            user_items, item_ids, lambda history, items: self.weights[history][:, items].toarray(), self.min_rating
        )

    def tensors(self) -> Tensors:
        """Return the sparse matrix as `values`, `columns` and `row_ends`."""
        return {"values": self.weights.data, "columns": self.weights.indices, "row_ends": self.weights.indptr}
