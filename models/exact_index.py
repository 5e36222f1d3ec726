"""Exact maximum inner product search that prunes by the Cauchy-Schwarz bound (LEMP: Teflioudi et al. 2015).

    x . y <= |x| |y|

Items are sorted by norm, largest first, and scored in tiles. A query is finished once |x| times the norm of the next
item cannot reach its k-th best score. Tiles are float32 products. Pairs within their rounding error of the k-th best
are scored again in float64, so that results do not depend on how users and items are split.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.topk import TopK, concat_topk, rank_in_row, top_k_per_row
from models.types import F32, F64, I64

TILE = 2_048
"""Items per tile: with USER_BATCH rows 8 MB of scores, which nearly fit into the cache."""
USER_BATCH = 1_024
"""Queries per tile."""
MAX_PENDING_PAIRS = 1_000_000
"""Candidate pairs that are collected before they are reduced to the k best. More come only if thousands of items tie
with the k-th best in float32."""
CHUNK_PAIRS = 8_192
"""Pairs that are scored one by one at once: 4 MB for 64 factors in float64, which fit into the cache."""
ROUNDING = 1.6e-7
"""Largest error of a float32 product per summand, relative to |x| |y|, for a comparison of two products."""


@dataclass(frozen=True)
class ExactIndex:
    """Item factors sorted by norm; items of norm 0 are left out."""

    factors: Tensor
    """[K, F] float32, largest norm first."""
    norms: Tensor
    """[K] float32, descending."""
    item: Tensor
    """[K] item id of each position."""
    position: I64
    """[I] position of each item; -1: left out."""


def build_index(factors: F32, device: torch.device | None = None) -> ExactIndex:
    """Build the index of item factors [I, F] on `device` (default: CPU), where it is searched too."""
    items = torch.from_numpy(factors).to(device)
    norms = torch.linalg.vector_norm(items, dim=1)
    order = torch.sort(norms, descending=True, stable=True).indices
    order = order[: int(torch.count_nonzero(norms))]
    position = np.full(len(factors), -1, dtype=np.int64)
    position[order.cpu().numpy()] = np.arange(len(order))
    return ExactIndex(items[order].contiguous(), norms[order], order, position)


def search(users: F32, index: ExactIndex, seen: csr_array, k: int) -> TopK:
    """Return the k best items of each of `users` [B, F], without those in its row of `seen` [B, I].

    Users with zero factors get none. Memory: about 20 MB beside the result, 300 MB in the worst case.
    """
    if not k:
        users = users[:0]
    parts = []
    for start in range(0, len(users), USER_BATCH):
        batch = torch.from_numpy(users[start : start + USER_BATCH]).to(index.factors)
        parts.append(_search_batch(batch, index, seen[start : start + USER_BATCH], k, start))
    return concat_topk(parts)


def _search_batch(users: Tensor, index: ExactIndex, seen: csr_array, k: int, first_row: int) -> TopK:
    row, position, score = _keep_best(users, index, *_candidate_pairs(users, index, _SeenMask(seen, index), k), k)
    rows = row.cpu().numpy()
    return TopK(rows + first_row, index.item[position].cpu().numpy(), rank_in_row(rows), score)


def _keep_best(users: Tensor, index: ExactIndex, row: Tensor, position: Tensor, k: int) -> tuple[Tensor, Tensor, F64]:
    """Return the k best (row, position) pairs of each row, rows ascending, best first, with float64 scores."""
    score = np.asarray(_pair_scores(users, index, row, position, torch.float64).cpu().numpy())
    best = top_k_per_row(row.cpu().numpy(), index.item[position].cpu().numpy(), score, k)
    best_rows = torch.from_numpy(best).to(row.device)
    return row[best_rows], position[best_rows], score[best]


def _pair_scores(users: Tensor, index: ExactIndex, row: Tensor, position: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the inner products of pairs (row, position), one by one, in `dtype`."""
    scores = torch.empty(len(row), dtype=dtype, device=row.device)
    for start in range(0, len(row), CHUNK_PAIRS):
        pairs = slice(start, start + CHUNK_PAIRS)
        scores[pairs] = (users[row[pairs]].to(dtype) * index.factors[position[pairs]].to(dtype)).sum(1)
    return scores


class _SeenMask:
    """Seen items, sorted by their position in the index."""

    def __init__(self, seen: csr_array, index: ExactIndex) -> None:
        position = index.position[seen.indices]
        row = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
        order = np.argsort(position, kind="stable")
        device = index.factors.device
        self._position, self._row = (torch.from_numpy(array[order]).to(device) for array in (position, row))

    def between(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return (row, position - start) of the seen items at these positions."""
        first, last = (int(torch.searchsorted(self._position, edge)) for edge in (start, stop))
        return self._row[first:last], self._position[first:last] - start


def _candidate_pairs(users: Tensor, index: ExactIndex, seen: _SeenMask, k: int) -> tuple[Tensor, Tensor]:
    """Return (row, position) of a superset of the k best items of each row."""
    norms = torch.linalg.vector_norm(users, dim=1)
    slack = ROUNDING * users.shape[1] * norms * (index.norms[0] if len(index.norms) else 0.0)
    device = users.device
    top = torch.full((len(users), k), -torch.inf, device=device)  # best scores so far, unordered
    kth = top.amin(1)  # the smallest of them
    active_index = torch.empty(len(users), dtype=torch.int64, device=device)
    active = torch.nonzero(norms > 0).flatten()
    rows, positions = ([torch.empty(0, dtype=torch.int64, device=device)] for _ in range(2))
    n_pending = 0
    for start in range(0, len(index.factors), TILE):
        active = active[norms[active] * index.norms[start] >= kth[active] - slack[active]]
        if not len(active):
            break
        tile = index.factors[start : start + TILE]
        scores = users[active] @ tile.T
        active_index.fill_(-1)
        active_index[active] = torch.arange(len(active), device=device)
        row, column = seen.between(start, start + len(tile))
        is_active = active_index[row] >= 0
        scores[active_index[row[is_active]], column[is_active]] = -torch.inf
        threshold = _tile_threshold(scores, kth[active], k)
        hit, column = torch.nonzero(scores >= (threshold - slack[active])[:, None], as_tuple=True)
        score = scores[hit, column]
        unseen = score > -torch.inf
        hit, column, score = hit[unseen], column[unseen], score[unseen]
        rows.append(active[hit])
        positions.append(column + start)
        n_pending += len(hit)
        if n_pending > max(MAX_PENDING_PAIRS, 2 * len(users) * k):
            row, position, _ = _keep_best(users, index, torch.cat(rows), torch.cat(positions), k)
            rows, positions, n_pending = [row], [position], len(row)
        _update_top(top, active, hit, score)
        kth[active] = top[active].amin(1)
    row, position = torch.cat(rows), torch.cat(positions)
    # drop what the first tiles let in and later ones have beaten
    remaining = _pair_scores(users, index, row, position, torch.float32) >= kth[row] - 2 * slack[row]
    return row[remaining], position[remaining]


def _tile_threshold(scores: Tensor, kth: Tensor, k: int) -> Tensor:
    """Return the smallest useful score [A]: the k-th best so far; while there is none, that of the tile."""
    unset = torch.isneginf(kth)
    if not unset.any() or scores.shape[1] < k:
        return kth
    threshold = kth.clone()
    threshold[unset] = torch.topk(scores[unset], k, dim=1, sorted=False).values.amin(1)
    return threshold


def _update_top(top: Tensor, active: Tensor, hit: Tensor, score: Tensor) -> None:
    """Merge new scores into the best scores `top` [B, k], in place; `hit`: their index in `active`, ascending."""
    if not len(hit):
        return
    rows, counts = torch.unique_consecutive(hit, return_counts=True)
    first = torch.cumsum(counts, 0) - counts
    slot = torch.arange(len(hit), device=hit.device) - torch.repeat_interleave(first, counts)
    new = torch.full((len(rows), int(counts.max())), -torch.inf, device=hit.device)
    new[torch.repeat_interleave(torch.arange(len(rows), device=hit.device), counts), slot] = score
    old = top[active[rows]]
    top[active[rows]] = torch.topk(torch.cat([old, new], dim=1), top.shape[1], dim=1, sorted=False).values
