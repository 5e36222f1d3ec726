"""The interface of every recommender.

A recommender is fitted on ratings R [U, I] and scores queries `user_items` [Q, I], which have the same columns. A query
is a user of the training data, a new user, or the tracks of one session. A stored 0 marks a track that was played and
not liked.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.types import F32, I64

CandidateFilter = Literal["exclude_seen", "only_seen", "all"]
"""Tracks that a list may contain: those that the query has not rated, those that it has, or every track."""
Tensors = dict[str, NDArray[Any]]
"""Arrays of a model by name, as safetensors stores them."""


class CatalogTooLargeError(ValueError):
    """A method needs more memory than it may use for data of this size; the message has the numbers."""


class Recommender(Protocol):
    """A fitted model."""

    def score(self, user_items: csr_array) -> F32:
        """Return scores [Q, I] of all items for queries `user_items` [Q, I].

        Higher is better. Scores compare within a row only. A score of exactly 0 means that the model has no evidence.
        """

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return how much each history item adds to the scores of chosen items: an array [n, H] per query.

        `item_ids`: the n chosen items of each query. H: the stored ratings of the query's row, in their order.
        """

    def tensors(self) -> Tensors:
        """Return all learned arrays."""
