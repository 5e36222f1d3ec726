"""Interfaces of recommenders and rerankers.

A recommender is fitted on ratings R [U, I] and scores all I items for each query. A reranker scores candidates that a
recommender has selected.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from scipy.sparse import csr_array

from models.data.sessions import RankedItems, SessionQueries
from models.queries import Queries
from models.types import F32, I64, Tensors

CandidateFilter = Literal["exclude_seen", "only_seen", "all"]
"""Tracks that a list may contain: those that the query has not rated, those that it has, or every track."""


class CatalogTooLargeError(ValueError):
    """A method needs more memory than it may use for data of this size; the message has the numbers."""


class Recommender(Protocol):
    """A fitted model that scores all items."""

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I] of all items.

        Higher is better. Scores compare within a row only. A score of exactly 0 means that the model has no evidence.
        Models of sequences read `queries.sequences`, all others `queries.user_items`.
        """

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return how much each history item adds to the scores of chosen items: an array [n, H] per query.

        `item_ids`: the n chosen items of each query. H: the stored ratings of the query's row, in their order.
        """

    def tensors(self) -> Tensors:
        """Return all fitted arrays."""


class Reranker(Protocol):
    """A fitted model that scores candidates."""

    def score(self, queries: SessionQueries, candidates: I64) -> F32:
        """Return scores [Q, C] of `candidates` [Q, C] (item ids; -1 for padding). Higher is better within a row."""


class SessionModel(Protocol):
    """A fitted model that ranks all items as the next play of a session."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query. Items already played may be among them.

        Unknown items of a query are skipped. A query without known items gets an empty list, or the model's prior.
        """

    def tensors(self) -> Tensors:
        """Return all fitted arrays."""
