"""Approximate maximum inner product search with an inverted file of faiss, for catalogues where the exact search reads
too much.

Each item is assigned to the list of its nearest centroid by Euclidean distance. A query probes the lists whose
centroids have the largest inner products with it. So norms count twice: long items have centroids of their own, which
are probed first; short items share centroids near the origin, which are probed last. (faiss's default, unit centroids
by inner product, finds much less in much more time; docs/performance.md.)

Found items are scored in float64, ties by item id: with all lists probed, the result equals models/exact_index.py. Seen
items never shorten a result: each query requests as many more items as it has seen, and queries that still find too few
probe all lists.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array

from models.exact_index import ROUNDING
from models.topk import TopK, concat_topk, rank_in_row, top_k_per_row
from models.types import F32, F64, I64, Mask

HAS_FAISS = find_spec("faiss") is not None
if HAS_FAISS or TYPE_CHECKING:
    import faiss

MAX_LISTS = 2_048
"""Half as many find as much of 384,546 items in as much time, and the build time grows with their square."""
ITEMS_PER_LIST = 128
"""Mean list length of smaller catalogues: with shorter lists, centroids would cost as much to scan as the lists."""
SAMPLE_PER_LIST = 64
"""Items per list that k-means is trained on, sampled in proportion to their norm."""
KMEANS_ITERATIONS = 10
SEED = 7
PROBES = 64
"""Lists that a query with a short history probes: they hold 99 % of the best 20 of 384,546 items
(docs/performance.md)."""
LARGE_CATALOGUE = 1_000_000
"""Above so many items a query probes twice as many lists: 64 of them hold 97.6 % of the best 20 of 2,000,000 items."""
SHORT_REQUEST = 128
"""Requested items up to which PROBES lists suffice; a query that requests twice as many probes twice as many lists."""
MARGIN = 10
"""Items requested beyond k and the seen ones: they settle ties by id, and make a second search rare."""
MAX_BATCH_CELLS = 1_000_000
"""Requested items of all queries of a search: 12 MB."""


class FaissNotInstalledError(RuntimeError):
    """An approximate search needs faiss, which is not installed."""


@dataclass(frozen=True)
class IVFIndex:
    """Item factors with a faiss index. It pickles as faiss's bytes."""

    factors: F32
    """[I, F], not copied."""
    index: "faiss.IndexIVFFlat"
    """Items of non-zero norm, under their ids."""
    centroids: F64
    """[L, F]"""
    position: I64
    """[I] list of each item; -1: left out because its factors are 0."""
    max_norm: float
    """Largest norm of an item."""
    probes: int
    """Lists that a query probes at least."""


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Run faiss with one thread: with more, sums could depend on the machine, and Spark tasks have one core each."""
    if not HAS_FAISS:
        raise FaissNotInstalledError(
            "An approximate search needs faiss: pip install faiss-cpu, or use the exact search."
        )
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def build_index(factors: F32, probes: int | None = None) -> IVFIndex:
    """Build the index of item factors [I, F]. `probes`: lists per query; default by catalogue size.

    Equal factors give equal indexes: one thread, a fixed seed. Memory beside the index, which has the factors once
    more: the sample. Raises FaissNotInstalledError.
    """
    with _single_threaded():
        probes = probes or (PROBES if len(factors) <= LARGE_CATALOGUE else 2 * PROBES)
        norms = np.linalg.norm(factors, axis=1)
        items = np.flatnonzero(norms)
        n_lists = max(1, min(MAX_LISTS, items.size // ITEMS_PER_LIST))
        centroids = _train_centroids(factors, norms, n_lists)
        assigner, quantizer = faiss.IndexFlatL2(factors.shape[1]), faiss.IndexFlatIP(factors.shape[1])
        assigner.add(centroids)
        quantizer.add(centroids)
        index = faiss.IndexIVFFlat(quantizer, factors.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
        position = np.full(len(factors), -1, dtype=np.int64)
        for start in range(0, items.size, 65_536):
            chunk = items[start : start + 65_536]
            rows = np.ascontiguousarray(factors[chunk])
            position[chunk] = assigner.search(rows, 1)[1][:, 0]
            lists = position[chunk]
            index.add_core(chunk.size, faiss.swig_ptr(rows), faiss.swig_ptr(chunk), faiss.swig_ptr(lists))
    return IVFIndex(factors, index, centroids.astype(np.float64), position, float(norms.max(initial=0.0)), probes)


def _train_centroids(factors: F32, norms: F32, n_lists: int) -> F32:
    """Return k-means centroids [n_lists, F]; the origin if all items have norm 0."""
    items = np.flatnonzero(norms)
    if not items.size:
        return np.zeros((1, factors.shape[1]), np.float32)
    sample = items
    if items.size > SAMPLE_PER_LIST * n_lists:
        weight = norms[items].astype(np.float64)
        rng = np.random.default_rng(SEED)
        sample = np.unique(rng.choice(items, SAMPLE_PER_LIST * n_lists, p=weight / weight.sum()))
    kmeans = faiss.Kmeans(
        factors.shape[1],
        n_lists,
        niter=KMEANS_ITERATIONS,
        seed=SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=SAMPLE_PER_LIST,
    )
    kmeans.train(np.ascontiguousarray(factors[sample]))
    return np.asarray(kmeans.centroids, np.float32).reshape(n_lists, -1)


def search(users: F32, index: IVFIndex, seen: csr_array, k: int) -> TopK:
    """Return the same as `exact_index.search`, but only of items in the lists that each query probes.

    Each result is as long as the exact one, and its scores are exact. Up to rounding it does not depend on how users
    are split. Raises FaissNotInstalledError.
    """
    with _single_threaded():
        batch = _Search(users, index, seen, k)
        pending = np.flatnonzero((users != 0).any(1))
        n_requested = 2 ** np.ceil(np.log2(k + batch.n_seen[pending] + MARGIN)).astype(np.int64)
        probes = np.minimum(index.probes * np.maximum(1, n_requested // SHORT_REQUEST), len(index.centroids))
        parts = []
        while pending.size:
            too_few, too_many_ties = np.zeros(pending.size, bool), np.zeros(pending.size, bool)
            for size, n_lists in sorted(set(zip(n_requested.tolist(), probes.tolist(), strict=True))):
                group = np.flatnonzero((n_requested == size) & (probes == n_lists))
                step = max(1, MAX_BATCH_CELLS // size)
                for rows in (group[start : start + step] for start in range(0, group.size, step)):
                    done, too_few[rows], too_many_ties[rows] = batch.search(pending[rows], size, n_lists)
                    parts.append(done)
            # too few items: probe all lists; too many ties: request more items
            probes[too_few] = len(index.centroids)
            n_requested[too_many_ties] *= 8
            again = too_few | too_many_ties
            pending, n_requested, probes = pending[again], n_requested[again], probes[again]
    return concat_topk(parts)


class _Search:
    """Queries with their seen items."""

    def __init__(self, users: F32, index: IVFIndex, seen: csr_array, k: int) -> None:
        self._users, self._index, self._k = users, index, k
        row = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
        in_index = index.position[seen.indices] >= 0
        self._seen_keys = np.unique(row[in_index] * len(index.factors) + seen.indices[in_index])
        self.n_seen: I64 = np.bincount(self._seen_keys // max(1, len(index.factors)), minlength=seen.shape[0])
        """[B] seen items that are in the index."""
        self._n_unseen = np.count_nonzero(index.position >= 0) - self.n_seen

    def search(self, rows: I64, n_requested: int, n_lists: int) -> tuple[TopK, Mask, Mask]:
        """Search for queries `rows` [b]; return finished results, and two masks [b]: too few items, too many ties."""
        scores, items = self._probe(rows, n_requested, n_lists)
        truncated = items[:, -1] >= 0  # otherwise the probed lists came back complete
        row, column = np.nonzero((items >= 0) & ~self._is_seen(rows, items))
        item, score = items[row, column], scores[row, column]
        counts = np.bincount(row, minlength=rows.size)
        exhaustive = n_lists == len(self._index.centroids)
        too_few = (counts < np.minimum(self._k, self._n_unseen[rows])) & (not exhaustive)
        # k-th best unseen score of each row: scores come in descending order
        kth = np.full(rows.size, -np.inf)
        rank = rank_in_row(row)
        kth[row[rank == self._k - 1]] = score[rank == self._k - 1]
        norms = np.linalg.norm(self._users[rows], axis=1)
        slack = 2 * ROUNDING * self._users.shape[1] * norms * self._index.max_norm
        # a query that did not probe all lists misses more than ties
        too_many_ties = truncated & (scores[:, -1] >= kth - slack) & exhaustive
        retained = ~(too_few | too_many_ties)[row] & (score >= (kth - slack)[row])
        return self._rescored(rows, row[retained], item[retained]), too_few, too_many_ties

    def _probe(self, rows: I64, n_requested: int, n_lists: int) -> tuple[F32, I64]:
        """Return scores and items [b, n_requested] of the best `n_lists` lists, best first; padded with item -1."""
        users = np.ascontiguousarray(self._users[rows])
        # float64: the choice of lists must not depend on the other queries of the batch
        similarity = torch.from_numpy(users).double() @ torch.from_numpy(self._index.centroids).T
        coarse_score, list_ids = (part.numpy() for part in torch.topk(similarity, n_lists, dim=1))
        coarse_score = coarse_score.astype(np.float32)
        scores, items = np.empty((rows.size, n_requested), np.float32), np.empty((rows.size, n_requested), np.int64)
        pointers = (faiss.swig_ptr(array) for array in (list_ids, coarse_score, scores, items))
        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = n_lists
        # missing in faiss's stubs; search_preassigned takes no parameters, and nprobe of the index is shared by all
        # threads
        search = self._index.index.search_preassigned_c  # type: ignore[attr-defined]
        search(rows.size, faiss.swig_ptr(users), n_requested, *pointers, False, parameters)
        return scores, items

    def _is_seen(self, rows: I64, items: I64) -> Mask:
        if not self._seen_keys.size:
            return np.zeros(items.shape, bool)
        keys = rows[:, None] * len(self._index.factors) + items
        nearest = np.minimum(np.searchsorted(self._seen_keys, keys), self._seen_keys.size - 1)
        return np.asarray(self._seen_keys[nearest] == keys)

    def _rescored(self, rows: I64, row: I64, item: I64) -> TopK:
        """Return the k best pairs of each row by float64 scores."""
        users, items = self._users[rows[row]].astype(np.float64), self._index.factors[item].astype(np.float64)
        score = np.einsum("nf,nf->n", users, items)
        best = top_k_per_row(row, item, score, self._k)
        return TopK(rows[row[best]], item[best], rank_in_row(row[best]), score[best])
