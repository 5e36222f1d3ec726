"""The exact best N items by inner product, without looking at every item (the bound of Cauchy and Schwarz; LEMP, Teflioudi 2015).

    x . y <= |x| |y|

Items stand in order of their length |y|, longest first. They are scored in tiles, and a user is done where |x| times the longest
item that is left cannot reach the N-th best score found so far. Tiles are float32 products; what comes within their rounding
error of the N-th best is settled in float64, so that lists do not depend on how users and items were cut up.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from models.top_n import Floats, Ints

TILE = 2_048
"""Items scored at once: with USERS rows 8 MB of scores, which nearly stay in the processor's cache."""
USERS = 1_024
"""Users scored at once."""
ROUNDING = 1.6e-7
"""Largest error of a float32 product, for each number that is added up, as a share of |x| |y|; two products are compared."""


@dataclass(frozen=True)
class Shelf:
    """Item factors in the order in which they are looked at; those of length 0, of which nothing is known, are left out."""

    factors: Tensor
    """[K, F] float32, longest first."""
    lengths: Tensor
    """[K] float32, falling."""
    item: Tensor
    """[K] which item each is."""
    place: Ints
    """[I] where each item stands; -1: left out."""


@dataclass(frozen=True)
class Best:
    """The best items of each user, best first, ties by item number: flat, users in order."""

    row: Ints
    item: Ints
    rank: Ints
    """0: the best."""
    score: NDArray[np.float64]


def arranged(factors: Floats, device: torch.device | None = None) -> Shelf:
    """The shelf of item factors [I, F], on `device` (None: the processor), where it will be searched too."""
    items = torch.from_numpy(factors).to(device)
    lengths = torch.linalg.vector_norm(items, dim=1)
    order = torch.sort(lengths, descending=True, stable=True).indices
    order = order[: int(torch.count_nonzero(lengths))]
    place = np.full(len(factors), -1, dtype=np.int64)
    place[order.cpu().numpy()] = np.arange(len(order))
    return Shelf(items[order].contiguous(), lengths[order], order, place)


def best(users: Floats, shelf: Shelf, heard: csr_array, most: int) -> Best:
    """The `most` best items of each of `users` [B, F] but those that stand in its row of `heard` [B, I].

    Users of factors 0 get none. Memory: some 20 MB beside what comes back.
    """
    found = [
        _settled(
            torch.from_numpy(users[begin : begin + USERS]).to(shelf.factors),
            shelf,
            heard[begin : begin + USERS],
            most,
            begin,
        )
        for begin in range(0, len(users), USERS)
    ]
    empty = np.empty(0, np.int64)
    found = found or [Best(empty, empty, empty, np.empty(0))]
    return Best(*(np.concatenate([getattr(one, name) for one in found]) for name in ("row", "item", "rank", "score")))


def _settled(users: Tensor, shelf: Shelf, heard: csr_array, most: int, begin: int) -> Best:
    """What the tiles found, scored in float64, cut at `most`."""
    row, place = _within_reach(users, shelf, _Heard(heard, shelf), most)
    score = (users[row].double() * shelf.factors[place].double()).sum(1).cpu().numpy()
    rows, item = row.cpu().numpy(), shelf.item[place].cpu().numpy()
    order = np.lexsort((item, -score, rows))
    row_of = rows[order]
    rank = np.arange(order.size) - np.searchsorted(row_of, row_of)
    kept = order[rank < most]
    return Best(rows[kept] + begin, item[kept], rank[rank < most], score[kept])


class _Heard:
    """Heard items by the place where they are met."""

    def __init__(self, heard: csr_array, shelf: Shelf) -> None:
        where = shelf.place[heard.indices]
        row = np.repeat(np.arange(heard.shape[0]), np.diff(heard.indptr))
        order = np.argsort(where, kind="stable")
        self._where, self._row = (torch.from_numpy(part[order]).to(shelf.factors.device) for part in (where, row))

    def between(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """(row, place - begin) of what is heard there."""
        first, last = (int(torch.searchsorted(self._where, edge)) for edge in (begin, end))
        return self._row[first:last], self._where[first:last] - begin


def _within_reach(users: Tensor, shelf: Shelf, heard: _Heard, most: int) -> tuple[Tensor, Tensor]:
    """(row, place) of all that can be among the `most` best, and of some more."""
    lengths = torch.linalg.vector_norm(users, dim=1)
    slack = ROUNDING * users.shape[1] * lengths * (shelf.lengths[0] if len(shelf.lengths) else 0.0)
    device = users.device
    top = torch.full((len(users), most), -torch.inf, device=device)  # the best scores so far, in no order
    floor = top.amin(1)  # the worst of them
    position = torch.empty(len(users), dtype=torch.int64, device=device)
    active = torch.nonzero(lengths > 0).flatten()
    rows, places = ([torch.empty(0, dtype=torch.int64, device=device)] for _ in range(2))
    for begin in range(0, len(shelf.factors), TILE):
        active = active[lengths[active] * shelf.lengths[begin] >= floor[active] - slack[active]]
        if not len(active):
            break
        tile = shelf.factors[begin : begin + TILE]
        scores = users[active] @ tile.T
        position.fill_(-1)
        position[active] = torch.arange(len(active), device=device)
        row, column = heard.between(begin, begin + len(tile))
        met = position[row] >= 0
        scores[position[row[met]], column[met]] = -torch.inf
        low = _floor(scores, floor[active], most)
        hit, column = torch.nonzero(scores >= (low - slack[active])[:, None], as_tuple=True)
        value = scores[hit, column]
        sound = value > -torch.inf
        hit, column, value = hit[sound], column[sound], value[sound]
        rows.append(active[hit])
        places.append(column + begin)
        _raise(top, active, hit, value)
        floor[active] = top[active].amin(1)
    row, place = torch.cat(rows), torch.cat(places)
    # what the first tiles let in, and the later ones have beaten
    still = (users[row] * shelf.factors[place]).sum(1) >= floor[row] - 2 * slack[row]
    return row[still], place[still]


def _floor(scores: Tensor, floor: Tensor, most: int) -> Tensor:
    """The least score that matters [A]: the floor; where there is none yet, the tile's own `most`-th best."""
    fresh = torch.isneginf(floor)
    if not fresh.any() or scores.shape[1] < most:
        return floor
    found = floor.clone()
    found[fresh] = torch.topk(scores[fresh], most, dim=1, sorted=False).values.amin(1)
    return found


def _raise(top: Tensor, active: Tensor, hit: Tensor, value: Tensor) -> None:
    """Take what was hit, by place in `active` in rising order, into the best scores `top` [B, N], in place."""
    if not len(hit):
        return
    rows, counts = torch.unique_consecutive(hit, return_counts=True)
    first = torch.cumsum(counts, 0) - counts
    place = torch.arange(len(hit), device=hit.device) - torch.repeat_interleave(first, counts)
    new = torch.full((len(rows), int(counts.max())), -torch.inf, device=hit.device)
    new[torch.repeat_interleave(torch.arange(len(rows), device=hit.device), counts), place] = value
    old = top[active[rows]]
    top[active[rows]] = torch.topk(torch.cat([old, new], dim=1), top.shape[1], dim=1, sorted=False).values
