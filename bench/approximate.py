"""Compare the approximate search (faiss) with the exact search, which prunes, on large synthetic catalogues.

The smallest catalogue has factors that are fitted to the likes of bench.data.like_files. The larger ones have random factors of a
similar distribution. Each catalogue is searched again with factors of equal norm, where the exact search cannot prune.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array, load_npz

from bench.data import SONGS, like_files
from bench.harness import WORK, Row, run_and_read
from models import exact_index, ials, ivf_index
from models.ials import IALSConfig
from models.interactions import confidence_weights
from models.topk import TopK
from models.types import F32

RANK, TOP_N, BLOCK = 64, 20, 250
"""Factors; length of a list; users per search, as in the job `candidates`."""
REGULARISATION, UNOBSERVED, CORES = 0.003, 0.3, 2
"""The settings of bench/factor_sides.py."""
N_QUERIES = 2_000
"""Sampled users whose lists are searched."""
WARM_UP = 250
METHODS = ("approximate", "exact")
TRACK_BATCH = 200_000
"""Tracks sampled at once."""


@dataclass(frozen=True)
class Catalogue:
    """The tracks that are searched."""

    tracks: int
    equal_norms: bool = False
    """True if the factors of all tracks have norm 1."""

    @property
    def title(self) -> str:
        """Title in the results."""
        return f"{self.tracks:,} tracks" + (", all equally long" if self.equal_norms else "")


CATALOGUES = (
    Catalogue(SONGS), Catalogue(384_546), Catalogue(2_000_000), Catalogue(SONGS, True), Catalogue(384_546, True),
    Catalogue(2_000_000, True),
)  # fmt: skip


def rows() -> list[Row]:
    """Return per catalogue the seconds to build and to search, and the recall; each search runs once, in a process of its own."""
    rows_ = []
    for catalogue in CATALOGUES:
        write_factors(catalogue)
        results, memory = {}, {}
        for method in METHODS:
            command = [sys.executable, "-m", "bench.approximate", method, str(catalogue.tracks), str(int(catalogue.equal_norms))]
            results[method], _ = run_and_read(command)
            memory[method] = int(results[method]["mib"])
            print(f"  {catalogue.title}, {method}: {results[method]}", file=sys.stderr, flush=True)
        ours, exact = results["approximate"], results["exact"]
        for what, key in (("to build", "build"), ("per 1,000 users", "search")):
            a, b = float(ours[key]), float(exact[key])
            rows_.append(Row(f"{catalogue.title}: {what}", "s", a, b, "exact", a / b, "none", True, memory))
        share = recall(*(np.load(_lists(method)) for method in METHODS))
        title = f"{catalogue.title}: recall@{TOP_N}"
        rows_.append(Row(title, "", share, 1.0, "exact", share, "at least 0.98", share >= 0.98, memory))
    return rows_


def recall(ours: np.ndarray, exact: np.ndarray) -> float:
    """Return the mean share of the items of an exact list [U, TOP_N] (padded with -1) that ours has too."""
    pairs = zip(ours, exact, strict=True)
    return float(np.mean([np.isin(truth[truth >= 0], items).mean() for items, truth in pairs if (truth >= 0).any()]))


def _lists(method: str) -> Path:
    return WORK / f"approximate-{method}.npy"


def write_factors(catalogue: Catalogue) -> tuple[Path, Path]:
    """Write the factors of the tracks and of N_QUERIES users unless they exist, and return their files."""
    users = WORK / f"approximate-users-{RANK}.npy"
    items = WORK / f"approximate-{catalogue.tracks}-{int(catalogue.equal_norms)}.npy"
    fitted = WORK / f"approximate-{SONGS}-0.npy"
    if not users.exists():
        likes = confidence_weights(csr_array(load_npz(like_files().train)), 1.0)
        config = IALSConfig(rank=RANK, iterations=5, regularization=REGULARISATION, unobserved_weight=UNOBSERVED)
        factors = ials.fit_als(likes, config, threads=CORES)
        np.save(fitted, factors)
        np.save(users, ials.fold_in(likes[query_users(likes.shape[0])], factors, config, CORES))
    if not items.exists():
        factors = enlarge(np.load(fitted), catalogue.tracks)
        if catalogue.equal_norms:
            factors /= np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.float32(1e-30))
        np.save(items, factors)
    return items, users


def query_users(users: int) -> np.ndarray:
    """Return the indices of the query users in ascending order."""
    return np.sort(np.random.default_rng(3).permutation(users)[:N_QUERIES])


def enlarge(fitted: F32, tracks: int) -> F32:
    """Return the fitted factors and random ones [tracks, F].

    Each random track follows one fitted track. Its direction is the sum of that track's direction and a random one with the
    covariance of all; its norm is that track's, times a log-normal factor (sigma 0.2).
    """
    rng = np.random.default_rng(11)
    norms = np.linalg.norm(fitted, axis=1)
    nonzero = np.flatnonzero(norms)
    directions = fitted / np.maximum(norms, np.float32(1e-30))[:, None]
    root = np.linalg.cholesky(directions[nonzero].T @ directions[nonzero] / nonzero.size + 1e-6 * np.eye(RANK)).astype(np.float32)
    factors = np.empty((tracks, RANK), np.float32)
    factors[: len(fitted)] = fitted
    for start in range(len(fitted), tracks, TRACK_BATCH):
        batch = factors[start : start + TRACK_BATCH]
        model_track = rng.choice(nonzero, len(batch))
        batch[:] = directions[model_track] + rng.standard_normal(batch.shape, dtype=np.float32) @ root.T
        batch *= (norms[model_track] * rng.lognormal(0, 0.2, len(batch)) / np.linalg.norm(batch, axis=1))[:, None]
    return factors


def main(method: str, catalogue: Catalogue) -> dict[str, float]:
    """Return the processor seconds to build, those per 1,000 users, and the peak MiB; one thread, like a Spark task."""
    torch.set_num_threads(1)
    items, users = (np.load(path) for path in write_factors(catalogue))
    train = csr_array(load_npz(like_files().train))
    queries = train[query_users(train.shape[0])]
    queries = csr_array((queries.data, queries.indices, queries.indptr), shape=(len(users), len(items)))
    start = time.process_time()
    index = exact_index.build_index(items) if method == "exact" else ivf_index.build_index(items)
    build_seconds = time.process_time() - start

    def search(first: int) -> TopK:
        block = slice(first, first + BLOCK)
        if isinstance(index, ivf_index.IVFIndex):
            return ivf_index.search(users[block], index, queries[block], TOP_N)
        return exact_index.search(users[block], index, queries[block], TOP_N)

    for first in range(0, WARM_UP, BLOCK):
        search(first)
    lists = np.full((len(users), TOP_N), -1, np.int64)
    start = time.process_time()
    for first in range(0, len(users), BLOCK):
        best = search(first)
        lists[best.row + first, best.rank] = best.item
    search_seconds = time.process_time() - start
    np.save(_lists(method), lists)
    return {"build": round(build_seconds, 2), "search": round(1_000 * search_seconds / len(users), 4), "mib": peak()}


def peak() -> int:
    """Return this process's peak resident memory in MiB; getrusage would count its parent's."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Catalogue(int(sys.argv[2]), sys.argv[3] == "1"))))
