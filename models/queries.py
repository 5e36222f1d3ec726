"""Queries to recommenders: interactions as a matrix and, where the order is known, as sequences."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.types import I64


@dataclass(frozen=True)
class Sequences:
    """Items of Q queries in play order, with repeats.

    Query q played `items[indptr[q] : indptr[q + 1]]`, oldest first.
    """

    indptr: I64
    """[Q + 1]"""
    items: I64
    """[N]"""

    def __len__(self) -> int:
        return self.indptr.size - 1

    def __getitem__(self, rows: slice) -> "Sequences":
        """Return the sequences of a range of queries. Raises ValueError for a step other than 1."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"sequences are sliced with step 1, not {step}")
        indptr = self.indptr[start : max(start, stop) + 1]
        return Sequences(indptr - indptr[0], self.items[indptr[0] : indptr[-1]])

    def padded(self, length: int, padding: int) -> I64:
        """Return the last `length` items of each query [Q, length], padded on the left."""
        index = self.indptr[1:, None] - np.arange(length, 0, -1)
        inside = index >= self.indptr[:-1, None]
        items = np.append(self.items, padding)
        return np.where(inside, items[np.where(inside, index, -1)], padding)


@dataclass(frozen=True)
class Queries:
    """Q queries: users of the training data, new users, or sessions."""

    user_items: csr_array
    """[Q, I] ratings. A stored 0 marks a track that was played and not liked."""
    sequences: Sequences | None = None
    """The plays behind `user_items`; None if their order is unknown."""

    def __post_init__(self) -> None:
        if self.sequences is not None and len(self.sequences) != self.user_items.shape[0]:
            raise ValueError(f"{self.user_items.shape[0]} queries cannot have {len(self.sequences)} sequences")

    def __len__(self) -> int:
        return int(self.user_items.shape[0])

    def __getitem__(self, rows: slice) -> "Queries":
        """Return a range of queries."""
        return Queries(self.user_items[rows], None if self.sequences is None else self.sequences[rows])
