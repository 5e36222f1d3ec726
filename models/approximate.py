"""The best N items by inner product, nearly: an inverted file of faiss, for catalogues in which the exact search reads too much.

Items lie in lists, each at the centre that is nearest to it by distance; a user looks into the lists whose centres have the
largest inner products with it. So lengths count twice: long items have centres of their own, which are looked at first, and short
ones share centres near the origin, which are looked at last. (faiss's own way, centres of length 1 chosen by inner product, finds
much less in much more time; docs/performance.md.)

What is found is scored in float64, ties by item number: where all lists are looked at, the result is that of
models/inner_product.py. Heard items never make a list shorter: each user asks for as many more as it has heard, and whoever still
has too few looks into all lists.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.inner_product import ROUNDING, Best
from models.top_n import Floats, Ints

SEARCHES = find_spec("faiss") is not None
if SEARCHES or TYPE_CHECKING:
    import faiss

LISTS = 2_048
"""Most lists: half as many found as much of 384,546 items in as much time, and the time to build grows with their square."""
ITEMS_PER_LIST = 128
"""Of smaller catalogues, on the average: fewer make centres that cost as much to look at as the lists."""
SAMPLE = 64
"""Items per list from which centres are learned, long ones rather than short ones, by their length."""
STEPS = 10
"""Of k-means; more were not tried."""
SEED = 7
PROBES = 64
"""Lists that a user looks into, if it has heard little: 99 % of the best 20 of 384,546 were in them (docs/performance.md)."""
LARGE = 1_000_000
"""Items beyond which a user looks into twice as many lists: in 64 of them were 97.6 % of the best 20 of 2,000,000."""
LIGHT = 128
"""Places up to which a user counts as one who has heard little; whoever asks for twice as many looks into twice as many lists."""
SPARE = 10
"""Places asked for beyond what is wanted and heard: among them ties are settled by number, and a second search is rarely wanted."""
CELLS = 1_000_000
"""Places asked for at once, by all users of a search together: 12 MB."""


class FaissMissing(RuntimeError):
    """An approximate search was asked for where faiss is not installed."""


@dataclass(frozen=True)
class Shelf:
    """Item factors with the index over them; pickles as faiss's own bytes."""

    factors: Floats
    """[I, F], as they were given: no copy."""
    index: "faiss.IndexIVFFlat"
    """Items that are not of length 0, by their numbers."""
    centres: NDArray[np.float64]
    """[L, F]"""
    place: Ints
    """[I] which list each item lies in; -1: left out, its factors are 0."""
    longest: float
    """Length of the longest item."""
    probes: int
    """Lists that a user looks into, at least."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Of faiss, in the calling thread: with more, sums and so lists could depend on the machine, and tasks have a core each."""
    if not SEARCHES:
        raise FaissMissing("Searching approximately needs faiss: pip install faiss-cpu, or ask for the exact search.")
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def arranged(factors: Floats, probes: int | None = None) -> Shelf:
    """The index of item factors [I, F]; `probes`: lists that a user looks into, by the catalogue's size if not given.

    Raises FaissMissing.

    One thread, seeded: equal factors give equal indexes. Memory beside what comes back (all factors once more): those of a sample.
    """
    with _one_thread():
        probes = probes or (PROBES if len(factors) <= LARGE else 2 * PROBES)
        lengths = np.linalg.norm(factors, axis=1)
        items = np.flatnonzero(lengths)
        count = max(1, min(LISTS, items.size // ITEMS_PER_LIST))
        centres = _centres(factors, lengths, count)
        nearest, coarse = faiss.IndexFlatL2(factors.shape[1]), faiss.IndexFlatIP(factors.shape[1])
        nearest.add(centres)
        coarse.add(centres)
        index = faiss.IndexIVFFlat(coarse, factors.shape[1], count, faiss.METRIC_INNER_PRODUCT)
        place = np.full(len(factors), -1, dtype=np.int64)
        for begin in range(0, items.size, 65_536):
            part = items[begin : begin + 65_536]
            rows = np.ascontiguousarray(factors[part])
            place[part] = nearest.search(rows, 1)[1][:, 0]
            lists = place[part]
            index.add_core(part.size, faiss.swig_ptr(rows), faiss.swig_ptr(part), faiss.swig_ptr(lists))
    return Shelf(factors, index, centres.astype(np.float64), place, float(lengths.max(initial=0.0)), probes)


def _centres(factors: Floats, lengths: Floats, count: int) -> Floats:
    """[count, F] by k-means; the origin where there is nothing to learn from."""
    items = np.flatnonzero(lengths)
    if not items.size:
        return np.zeros((1, factors.shape[1]), np.float32)
    sample = items
    if items.size > SAMPLE * count:
        weight = lengths[items].astype(np.float64)
        draw = np.random.default_rng(SEED)
        sample = np.unique(draw.choice(items, SAMPLE * count, p=weight / weight.sum()))
    means = faiss.Kmeans(
        factors.shape[1], count, niter=STEPS, seed=SEED, min_points_per_centroid=1, max_points_per_centroid=SAMPLE
    )
    means.train(np.ascontiguousarray(factors[sample]))
    return np.asarray(means.centroids, np.float32).reshape(count, -1)


def best(users: Floats, shelf: Shelf, heard: csr_array, most: int) -> Best:
    """As models/inner_product.best, of the items in the lists that each user looks into. Raises FaissMissing.

    Each list has as many places as there, and its scores are exact. But for rounding nothing depends on how users are cut up.
    """
    with _one_thread():
        ask = _Asked(users, shelf, heard, most)
        open_rows = np.flatnonzero((users != 0).any(1))
        places = most + ask.known[open_rows] + SPARE
        wanted = 2 ** np.ceil(np.log2(places)).astype(np.int64)
        probes = np.minimum(shelf.probes * np.maximum(1, wanted // LIGHT), len(shelf.centres))
        found = []
        while open_rows.size:
            short, crowded = np.zeros(open_rows.size, bool), np.zeros(open_rows.size, bool)
            for many, lists in sorted(set(zip(wanted.tolist(), probes.tolist(), strict=True))):
                group = np.flatnonzero((wanted == many) & (probes == lists))
                step = max(1, CELLS // many)
                for part in (group[begin : begin + step] for begin in range(0, group.size, step)):
                    settled, short[part], crowded[part] = ask.searched(open_rows[part], many, lists)
                    found.append(settled)
            # too few: all lists; too many that are equally good: more places
            probes[short] = len(shelf.centres)
            wanted[crowded] *= 8
            again = short | crowded
            open_rows, wanted, probes = open_rows[again], wanted[again], probes[again]
    return _joined(found)


def _joined(found: list[Best]) -> Best:
    """Parts of users as one, users in order."""
    empty = np.empty(0, np.int64)
    parts = [Best(empty, empty, empty, np.empty(0)), *found]
    row, item, rank, score = (
        np.concatenate([getattr(one, name) for one in parts]) for name in Best.__dataclass_fields__
    )
    order = np.argsort(row, kind="stable")
    return Best(row[order], item[order], rank[order], score[order])


class _Asked:
    """Users with what they have heard."""

    def __init__(self, users: Floats, shelf: Shelf, heard: csr_array, most: int) -> None:
        self._users, self._shelf, self._most = users, shelf, most
        row = np.repeat(np.arange(heard.shape[0]), np.diff(heard.indptr))
        met = shelf.place[heard.indices] >= 0
        self._heard = np.unique(row[met] * len(shelf.factors) + heard.indices[met])
        self.known: Ints = np.bincount(self._heard // max(1, len(shelf.factors)), minlength=heard.shape[0])
        """[B] how many items of the index each has heard."""
        self._offered = np.count_nonzero(shelf.place >= 0) - self.known

    def searched(self, rows: Ints, many: int, lists: int) -> tuple[Best, NDArray[np.bool_], NDArray[np.bool_]]:
        """Lists of those `rows` [b] that are done; and who has too few, and who has more equals than places [b]."""
        scores, items = self._candidates(rows, many, lists)
        full = items[:, -1] >= 0  # otherwise what was looked at has come back whole
        row, column = np.nonzero((items >= 0) & ~self._was_heard(rows, items))
        item, near = items[row, column], scores[row, column]
        counts = np.bincount(row, minlength=rows.size)
        everywhere = lists == len(self._shelf.centres)
        short = (counts < np.minimum(self._most, self._offered[rows])) & (not everywhere)
        # each row's `most`-th of those unheard: scores come in falling order
        last = np.full(rows.size, -np.inf)
        rank = np.arange(row.size) - np.searchsorted(row, row)
        last[row[rank == self._most - 1]] = near[rank == self._most - 1]
        slack = 2 * ROUNDING * self._users.shape[1] * np.linalg.norm(self._users[rows], axis=1) * self._shelf.longest
        # who has not looked everywhere has missed worse than an equal
        crowded = full & (scores[:, -1] >= last - slack) & everywhere
        kept = ~(short | crowded)[row] & (near >= (last - slack)[row])
        return self._settled(rows, row[kept], item[kept]), short, crowded

    def _candidates(self, rows: Ints, many: int, lists: int) -> tuple[Floats, Ints]:
        """Scores and items [b, many] of the `lists` best lists, best first; items -1 where there is none."""
        users = np.ascontiguousarray(self._users[rows])
        # float64: which lists are looked at must not go by the company that a user is in
        near = torch.from_numpy(users).double() @ torch.from_numpy(self._shelf.centres).T
        value, looked = (part.numpy() for part in torch.topk(near, lists, dim=1))
        value = value.astype(np.float32)
        scores, items = np.empty((rows.size, many), np.float32), np.empty((rows.size, many), np.int64)
        pointers = (faiss.swig_ptr(array) for array in (looked, value, scores, items))
        how = faiss.SearchParametersIVF()
        how.nprobe = lists
        # faiss's stubs do not know it; search_preassigned takes no parameters, and a setting of the index is all threads'
        search = self._shelf.index.search_preassigned_c  # type: ignore[attr-defined]
        search(rows.size, faiss.swig_ptr(users), many, *pointers, False, how)
        return scores, items

    def _was_heard(self, rows: Ints, items: Ints) -> NDArray[np.bool_]:
        if not self._heard.size:
            return np.zeros(items.shape, bool)
        key = rows[:, None] * len(self._shelf.factors) + items
        return np.asarray(self._heard[np.minimum(np.searchsorted(self._heard, key), self._heard.size - 1)] == key)

    def _settled(self, rows: Ints, row: Ints, item: Ints) -> Best:
        """Pairs scored in float64, cut at `most`."""
        score = np.einsum(
            "nf,nf->n", self._users[rows[row]].astype(np.float64), self._shelf.factors[item].astype(np.float64)
        )
        order = np.lexsort((item, -score, row))
        rank = np.arange(order.size) - np.searchsorted(row[order], row[order])
        kept = order[rank < self._most]
        return Best(rows[row[kept]], item[kept], rank[rank < self._most], score[kept])
