"""Rows of a sparse matrix in padded batches of similar length, for batched products in torch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.types import I64


@dataclass(frozen=True)
class PaddedBatch:
    """Rows of similar length, padded to the longest."""

    rows: Tensor
    """[b] row numbers."""
    columns: Tensor
    """[b, n] items; padding repeats an arbitrary one."""
    weights: Tensor
    """[b, n] s; 0 for padding."""


def padded_batches(weights: csr_array, Y: Tensor, max_cells: int, min_length: int = 1) -> Iterator[PaddedBatch]:
    """Yield the non-empty rows in batches whose gathered factors have at most `max_cells` numbers.

    Shorter rows count as `min_length` interactions.
    """
    indptr = weights.indptr.astype(np.int64)
    starts, counts, columns, data = (
        torch.from_numpy(array).to(Y.device) for array in (indptr[:-1], np.diff(indptr), weights.indices, weights.data)
    )
    for group in _length_buckets(np.diff(weights.indptr), max_cells // Y.shape[1], min_length):
        rows = torch.from_numpy(group).to(Y.device)
        count = counts[rows][:, None]
        slots = torch.arange(int(count.max()), device=Y.device)
        entries = (starts[rows][:, None] + slots).clamp(max=len(data) - 1)
        yield PaddedBatch(rows, columns[entries], torch.where(slots < count, data[entries], 0.0).to(Y))


def _length_buckets(counts: I64, max_interactions: int, min_length: int) -> list[I64]:
    """Group non-empty rows: at most `max_interactions` per group, no row over 1.25 times the shortest."""
    order = np.argsort(counts, kind="stable")
    ordered = counts[order]
    buckets, start = [], int(np.searchsorted(ordered, 1))
    while start < order.size:
        longest = int(ordered[start] * 1.25)
        max_rows = max(1, max_interactions // max(longest, min_length))
        stop = min(int(np.searchsorted(ordered, longest, side="right")), start + max_rows)
        buckets.append(order[start:stop])
        start = stop
    return buckets
