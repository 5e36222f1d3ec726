"""The exact best N tracks of each user by x_u . y_i, overall and per genre, without scoring the whole catalogue.

Tracks lie on shelves (a genre each), the longest vector first, cut into tiles. No track of a tile can score above |x_u| times
the tile's longest vector (Cauchy and Schwarz; as LEMP has it, Teflioudi et al. 2015), so a user is through with a shelf where that
falls below the user's N-th best so far; factors of little played tracks are short, so most tiles are never multiplied.

Tiles are scored in float32, with room for its error; who may stand in a list is then scored in float64. Lists are those of
exact arithmetic, ties by number: the same for any size of block, on a CPU and on a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.top_n import Floats, Ints

TILE = 4096
"""Tracks of a tile: 500 users x 4,096 scores are 8 MB, which a processor's cache holds."""


@dataclass(frozen=True)
class Tile:
    """Tracks `start` to `stop` of one shelf, and the length of the longest."""

    shelf: int
    start: int
    stop: int
    longest: float


@dataclass(frozen=True)
class Shelves:
    """The catalogue in the order in which it is scored."""

    items: Tensor
    """Y [I, F] float32, shelf by shelf, the longest first."""
    numbers: Ints
    """[I] of the catalogue."""
    places: Ints
    """[I] where each number of the catalogue lies in `items`."""
    shelf: Ints
    """[I] of each track in `items`."""
    tiles: tuple[Tile, ...]
    """The longest first."""
    longest: float

    @property
    def count(self) -> int:
        """Shelves."""
        return 1 + max((tile.shelf for tile in self.tiles), default=0)


def arrange(factors: Floats, shelf: Ints | None = None, device: str = "cpu", tile: int = TILE) -> Shelves:
    """Lay out Y [I, F]; `shelf` [I]: from 0; none: all on one."""
    on = np.zeros(len(factors), dtype=np.int64) if shelf is None else shelf
    length = np.linalg.norm(factors.astype(np.float64), axis=1)
    numbers = np.lexsort((np.arange(len(factors)), -length, on))
    places = np.empty_like(numbers)
    places[numbers] = np.arange(numbers.size)
    ordered, tiles = on[numbers], []
    for one in range(int(on.max(initial=0)) + 1):
        begin, end = np.searchsorted(ordered, [one, one + 1])
        for start in range(begin, end, tile):
            tiles.append(Tile(one, start, min(start + tile, end), float(length[numbers[start]])))
    tiles.sort(key=lambda each: (-each.longest, each.start))
    items = torch.from_numpy(factors[numbers].astype(np.float32)).to(device)
    return Shelves(items, numbers, places, ordered, tuple(tiles), float(length.max(initial=0.0)))


@dataclass(frozen=True)
class Found:
    """Places of lists, list by list: by row, then overall before the shelves', the best first."""

    row: Ints
    list: Ints
    """A shelf's number, or -1: overall."""
    item: Ints
    """Number in the catalogue."""
    score: np.ndarray
    """float64."""


class _Best:
    """The best scores of each row so far, and the score from which a track of a shelf still matters."""

    def __init__(self, rows: int, shelves: int, overall: int, per_shelf: int, device: torch.device) -> None:
        self.sizes = (overall, per_shelf)
        empty = torch.full((rows, 1), -torch.inf, device=device)
        self.overall = empty.expand(rows, overall).clone()
        self.shelves = empty[:, :, None].expand(rows, shelves, per_shelf).clone()

    def floor(self, shelf: int) -> Tensor:
        """[B]: what a track of this shelf must reach."""
        least = [best[:, -1] for best in (self.overall, self.shelves[:, shelf]) if best.shape[1]]
        return torch.stack(least).amin(0)

    def add(self, rows: Tensor, shelf: int, scores: Tensor) -> None:
        """Of these rows [h]: more scores [h, T] on a shelf."""
        top = scores.topk(min(max(self.sizes), scores.shape[1]), dim=1).values
        for best in (self.overall, self.shelves[:, shelf]):
            size = best.shape[1]
            if size:
                best[rows] = torch.cat([best[rows], top[:, :size]], dim=1).topk(size, dim=1).values


def best(users: Tensor, heard: csr_array, shelves: Shelves, overall: int, per_shelf: int = 0) -> Found:
    """The best `overall` of all tracks, and the best `per_shelf` of each shelf, none of them heard.

    `users` [B, F] float64; `heard` [B, I], a column per number of the catalogue: stored entries are never offered.
    """
    asked = users.to(shelves.items.device, torch.float32)
    length = users.norm(dim=1).to(asked)
    # twice what the float32 sum of F products may be off, on either side of a comparison
    slack = length * (shelves.longest * 4 * users.shape[1] * torch.finfo(torch.float32).eps)
    known = _Heard(heard, shelves)
    so_far = _Best(len(users), shelves.count, overall, per_shelf, asked.device)
    chosen: list[tuple[Tensor, Tensor]] = []
    for tile in shelves.tiles:
        reach = length * tile.longest + slack
        active = torch.nonzero(reach >= so_far.floor(tile.shelf))[:, 0]
        if not len(active):
            continue
        everybody = len(active) == len(asked)
        scores = (asked if everybody else asked[active]) @ shelves.items[tile.start : tile.stop].T
        known.mask(scores, active, tile)
        hot = torch.nonzero(scores.amax(1) >= so_far.floor(tile.shelf)[active] - slack[active])[:, 0]
        if not len(hot):
            continue
        scores, rows = scores[hot], active[hot]
        so_far.add(rows, tile.shelf, scores)
        least = (so_far.floor(tile.shelf)[rows] - slack[rows]).clamp(min=torch.finfo(torch.float32).min)
        which, column = torch.nonzero(scores >= least[:, None], as_tuple=True)
        chosen.append((rows[which], column + tile.start))
    return _settle(users, shelves, chosen, overall, per_shelf)


class _Heard:
    """Who has heard what, tile by tile."""

    def __init__(self, heard: csr_array, shelves: Shelves) -> None:
        place = shelves.places[heard.indices]
        order = np.argsort(place, kind="stable")
        self.rows = np.repeat(np.arange(heard.shape[0]), np.diff(heard.indptr))[order]
        self.places = place[order]

    def mask(self, scores: Tensor, active: Tensor, tile: Tile) -> None:
        """-inf where a row's track was heard; `scores` [a, T] of the rows `active` [a], upwards."""
        begin, end = np.searchsorted(self.places, [tile.start, tile.stop])
        if begin == end:
            return
        rows, column = self.rows[begin:end], self.places[begin:end] - tile.start
        here = active.cpu().numpy()
        at = np.searchsorted(here, rows)
        there = (at < here.size) & (here[np.minimum(at, here.size - 1)] == rows)
        pairs = (torch.from_numpy(part[there]).to(scores.device) for part in (at, column))
        scores[tuple(pairs)] = -torch.inf


def _settle(
    users: Tensor, shelves: Shelves, chosen: Sequence[tuple[Tensor, Tensor]], overall: int, per_shelf: int
) -> Found:
    """Score in float64 what may stand in a list, and keep what does."""
    empty = torch.empty(0, dtype=torch.int64)
    rows, places = (torch.cat([empty, *(pair[part].cpu() for pair in chosen)]).numpy() for part in (0, 1))
    exact = users.double().cpu()[rows] * shelves.items.cpu()[places].double()
    score, item, shelf = exact.sum(1).numpy(), shelves.numbers[places], shelves.shelf[places]
    every = _first(rows, np.full_like(shelf, -1), item, score, overall)
    each = _first(rows, shelf, item, score, per_shelf)
    row, which, number, value = (np.concatenate(parts) for parts in zip(every, each, strict=True))
    order = np.lexsort((number, -value, which, row))
    return Found(row[order], which[order], number[order], value[order])


def _first(row: Ints, which: Ints, item: Ints, score: np.ndarray, most: int) -> tuple[Ints, Ints, Ints, np.ndarray]:
    """The `most` best of each row and list."""
    order = np.lexsort((item, -score, which, row))
    row, which, item, score = row[order], which[order], item[order], score[order]
    begins = np.flatnonzero(np.diff(row, prepend=-1) | np.diff(which, prepend=-2))
    place = np.arange(row.size) - np.repeat(begins, np.diff(np.append(begins, row.size)))
    kept = place < most
    return row[kept], which[kept], item[kept], score[kept]
