"""Histories of the last plays before a target, for rankers: batches for training, and blocks of queries.

Histories are padded on the left, so that the newest play is at the last position. Padding is known by lengths alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.sessions import PADDING, SessionQueries
from models.types import F32, I64


@dataclass(frozen=True)
class HistoryBatch:
    """B users with their last plays."""

    users: Tensor
    """[B] user number + 1; 0 if the user is unknown."""
    items: Tensor
    """[B, L] item ids, the newest last; arbitrary at padding."""
    lengths: Tensor
    """[B] 0 to L."""
    targets: Tensor
    """[B] item of the next play; empty in queries."""

    @property
    def valid(self) -> Tensor:
        """Mask [B, L], True at plays."""
        length = self.items.shape[1]
        return torch.arange(length, device=self.items.device) >= length - self.lengths[:, None]

    def to(self, device: torch.device) -> "HistoryBatch":
        """Return the batch on a device."""
        return HistoryBatch(**{name: value.to(device) for name, value in vars(self).items()})


def last_plays(queries: SessionQueries, length: int) -> tuple[I64, I64]:
    """Return the last `length` plays of past and session [Q, L], the newest last, and their numbers [Q].

    Unknown items count as plays of no item: their slots are padding before all plays. Padding is item 0.
    """
    n_session = queries.ends - queries.starts
    back = np.arange(length, 0, -1)
    in_session = back <= n_session[:, None]
    index = np.where(in_session, queries.ends[:, None] - back, queries.past_ends[:, None] - back + n_session[:, None])
    exists = in_session | (index >= queries.past_starts[:, None])
    items = np.where(exists, np.append(queries.items, PADDING)[np.where(exists, index, -1)], PADDING)
    known = items != PADDING
    # stable: plays keep their order behind the padding
    items = np.take_along_axis(items, np.argsort(known, axis=1, kind="stable"), 1)
    return np.maximum(items, 0), known.sum(1)


def to_batch(queries: SessionQueries, length: int, targets: I64 | None = None) -> HistoryBatch:
    """Return queries, with the items of their next plays in training."""
    items, lengths = last_plays(queries, length)
    arrays = queries.users + 1, items, lengths, np.empty(0, np.int64) if targets is None else targets
    return HistoryBatch(*(torch.from_numpy(np.asarray(array, np.int64)) for array in arrays))


class HistoryDataset(Dataset[HistoryBatch]):
    """Queries with their targets. A sample is a query's last plays; nothing is copied before a batch needs it."""

    def __init__(self, queries: SessionQueries, length: int) -> None:
        """Take queries whose next play, `items[ends]`, is a known item; raise ValueError for others."""
        self._queries, self._length, self._targets = queries, length, queries.items[queries.ends]
        if (self._targets == PADDING).any():
            raise ValueError("the target of a training query is an unknown item")

    def __len__(self) -> int:
        return len(self._queries)

    def __getitem__(self, index: int) -> HistoryBatch:
        """Return a batch of one query."""
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> HistoryBatch:
        """Return a batch of queries."""
        rows = np.asarray(indices, np.int64)
        return to_batch(self._queries[rows], self._length, self._targets[rows])

    @property
    def target_counts(self) -> F32:
        """Number of queries per target [max + 1]."""
        return np.bincount(self._targets).astype(np.float32)

    def batches(self, size: int) -> Iterator[HistoryBatch]:
        """Yield all queries in order."""
        for start in range(0, len(self), size):
            yield self.__getitems__(list(range(start, min(start + size, len(self)))))
