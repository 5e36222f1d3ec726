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
GATHERED = 1_000_000
"""Pairs within reach of the best that may gather before they are settled; more of them come only where thousands of items are
as good as the N-th best to the last digits of float32."""
AT_ONCE = 8_192
"""Pairs scored one by one at once: 4 MB at 64 factors in float64, which the processor's cache holds."""
CROWD = 8
"""From so many pairs for each place of a list on, they are not sorted before most are gone."""
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

    Users of factors 0 get none. Memory: some 20 MB beside what comes back, in the worst case 300 MB.
    """
    if not most:
        users = users[:0]
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
    """What the tiles found, best first."""
    row, place, score = _cut(users, shelf, *_within_reach(users, shelf, _Heard(heard, shelf), most), most)
    rows = row.cpu().numpy()
    rank = np.arange(rows.size) - np.searchsorted(rows, rows)
    return Best(rows + begin, shelf.item[place].cpu().numpy(), rank, score)


def _cut(
    users: Tensor, shelf: Shelf, row: Tensor, place: Tensor, most: int
) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    """The `most` best of each row's pairs (row, place), rows rising and best first, with their scores, in float64."""
    score = np.asarray(_scores(users, shelf, row, place, torch.float64).cpu().numpy())
    rows, item = row.cpu().numpy(), shelf.item[place].cpu().numpy()
    if len(row) > CROWD * len(users) * most:
        few = _few(rows, item, score, most)
        row, place, rows, item, score = row[few], place[few], rows[few], item[few], score[few]
    order = np.lexsort((item, -score, rows))
    of = rows[order]
    kept = order[np.arange(order.size) - np.searchsorted(of, of) < most]
    chosen = torch.from_numpy(kept).to(row.device)
    return row[chosen], place[chosen], score[kept]


def _scores(users: Tensor, shelf: Shelf, row: Tensor, place: Tensor, kind: torch.dtype) -> Tensor:
    """The products of pairs (row, place), one by one, in a precision."""
    found = torch.empty(len(row), dtype=kind, device=row.device)
    for begin in range(0, len(row), AT_ONCE):
        span = slice(begin, begin + AT_ONCE)
        found[span] = (users[row[span]].to(kind) * shelf.factors[place[span]].to(kind)).sum(1)
    return found


def _few(rows: Ints, item: Ints, score: NDArray[np.float64], most: int) -> Ints:
    """Which pairs are each row's `most` best, ties by item, in no order: without sorting what is not."""
    found = []
    by_row = np.argsort(rows, kind="stable")
    for pairs in np.split(by_row, np.flatnonzero(np.diff(rows[by_row])) + 1):
        if pairs.size <= most:
            found.append(pairs)
            continue
        least = np.partition(score[pairs], pairs.size - most)[pairs.size - most]
        better, equal = pairs[score[pairs] > least], pairs[score[pairs] == least]
        lacking = most - better.size
        found += [better, equal[np.argpartition(item[equal], lacking - 1)[:lacking]]]
    return np.concatenate(found)


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
    gathered = 0
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
        gathered += len(hit)
        if gathered > max(GATHERED, 2 * len(users) * most):
            row, place, _ = _cut(users, shelf, torch.cat(rows), torch.cat(places), most)
            rows, places, gathered = [row], [place], len(row)
        _raise(top, active, hit, value)
        floor[active] = top[active].amin(1)
    row, place = torch.cat(rows), torch.cat(places)
    # what the first tiles let in, and the later ones have beaten
    still = _scores(users, shelf, row, place, torch.float32) >= floor[row] - 2 * slack[row]
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
