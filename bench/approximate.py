"""Lists of large catalogues: the approximate search (faiss) against the exact one, which prunes. The factors are synthetic.

Catalogues: the one of bench.data.listening (fitted, of drawn likes) and larger ones drawn after its factors; then the same with all
tracks made equally long, so that the exact search can leave nothing out.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array, load_npz

from bench.data import SONGS, listening
from bench.harness import WORK, Row, run_and_read
from models import exact_index, ials, ivf_index
from models.ials import IALSConfig
from models.interactions import confidence_weights
from models.topk import TopK
from models.types import F32

RANK, TOP_N, BLOCK = 64, 20, 250
"""Factors; places; users asked at once, as the job `candidates` does."""
REGULARISATION, UNOBSERVED, CORES = 0.003, 0.3, 2
"""As bench/factor_ways.py fits."""
ASKING = 2_000
"""Users who ask, drawn from all."""
WARM_UP = 250
DRAWN = 200_000
"""Tracks drawn at once."""


@dataclass(frozen=True)
class Catalogue:
    """What is searched."""

    tracks: int
    even: bool = False
    """Whether all tracks are made equally long."""

    @property
    def title(self) -> str:
        """As the table has it."""
        return f"{self.tracks:,} tracks" + (", all equally long" if self.even else "")


CATALOGUES = (
    Catalogue(SONGS), Catalogue(384_546), Catalogue(2_000_000), Catalogue(SONGS, True), Catalogue(384_546, True),
    Catalogue(2_000_000, True),
)  # fmt: skip


def rows() -> list[Row]:
    """Per catalogue: seconds to build and to search, and the recall; each way once in a process of its own."""
    rows_ = []
    for catalogue in CATALOGUES:
        known(catalogue)
        results, memory = {}, {}
        for way in ("approximate", "exact"):
            command = [sys.executable, "-m", "bench.approximate", way, str(catalogue.tracks), str(int(catalogue.even))]
            results[way], _ = run_and_read(command)
            memory[way] = int(results[way]["mib"])
            print(f"  {catalogue.title}, {way}: {results[way]}", file=sys.stderr, flush=True)
        ours, exact = results["approximate"], results["exact"]
        for what, key in (("to build", "build"), ("per 1,000 users", "search")):
            a, b = float(ours[key]), float(exact[key])
            rows_.append(Row(f"{catalogue.title}: {what}", "s", a, b, "exact", a / b, "none", True, memory))
        share = recall(*(np.load(_lists(way)) for way in ("approximate", "exact")))
        title = f"{catalogue.title}: recall@{TOP_N}"
        rows_.append(Row(title, "", share, 1.0, "exact", share, "at least 0.98", share >= 0.98, memory))
    return rows_


def recall(ours: np.ndarray, exact: np.ndarray) -> float:
    """Mean share of each exact list [U, TOP_N] (-1: no place) that ours has too."""
    pairs = zip(ours, exact, strict=True)
    return float(np.mean([np.isin(line[line >= 0], truth).mean() for truth, line in pairs if (line >= 0).any()]))


def _lists(way: str) -> Path:
    return WORK / f"approximate-{way}.npy"


def known(catalogue: Catalogue) -> tuple[Path, Path]:
    """Factors of tracks, and of ASKING users; made once."""
    users = WORK / f"approximate-users-{RANK}.npy"
    items = WORK / f"approximate-{catalogue.tracks}-{int(catalogue.even)}.npy"
    fitted = WORK / f"approximate-{SONGS}-0.npy"
    if not users.exists():
        likes = confidence_weights(csr_array(load_npz(listening().train)), 1.0)
        config = IALSConfig(rank=RANK, iterations=5, regularization=REGULARISATION, unobserved_weight=UNOBSERVED)
        factors = ials.fit_als(likes, config, threads=CORES)
        np.save(fitted, factors)
        np.save(users, ials.fold_in(likes[asking(likes.shape[0])], factors, config, CORES))
    if not items.exists():
        factors = np.load(fitted)
        factors_ = enlarged(factors, catalogue.tracks)
        if catalogue.even:
            factors_ /= np.maximum(np.linalg.norm(factors_, axis=1, keepdims=True), np.float32(1e-30))
        np.save(items, factors_)
    return items, users


def asking(users: int) -> np.ndarray:
    """Numbers of those who ask, upwards."""
    return np.sort(np.random.default_rng(3).permutation(users)[:ASKING])


def enlarged(fitted: F32, tracks: int) -> F32:
    """[tracks, F]: the fitted factors, and others drawn after them.

    Each is of one fitted track's length, give or take a fifth, and points half where that one does and half where any do.
    """
    draw = np.random.default_rng(11)
    lengths = np.linalg.norm(fitted, axis=1)
    like = np.flatnonzero(lengths)
    ways = fitted / np.maximum(lengths, np.float32(1e-30))[:, None]
    spread = np.linalg.cholesky(ways[like].T @ ways[like] / like.size + 1e-6 * np.eye(RANK)).astype(np.float32)
    factors_ = np.empty((tracks, RANK), np.float32)
    factors_[: len(fitted)] = fitted
    for begin in range(len(fitted), tracks, DRAWN):
        part = factors_[begin : begin + DRAWN]
        after = draw.choice(like, len(part))
        part[:] = ways[after] + draw.standard_normal(part.shape, dtype=np.float32) @ spread.T
        part *= (lengths[after] * draw.lognormal(0, 0.2, len(part)) / np.linalg.norm(part, axis=1))[:, None]
    return factors_


def main(way: str, catalogue: Catalogue) -> dict[str, float]:
    """One thread, as a task of Spark has: seconds to build, seconds per 1,000 users, and the most MiB ever held.

    Seconds of the processor, which are those of the clock where nothing else runs.
    """
    torch.set_num_threads(1)
    items, users = (np.load(path) for path in known(catalogue))
    train = csr_array(load_npz(listening().train))
    queries = train[asking(train.shape[0])]
    queries = csr_array((queries.data, queries.indices, queries.indptr), shape=(len(users), len(items)))
    began = time.process_time()
    index = exact_index.build_index(items) if way == "exact" else ivf_index.build_index(items)
    built = time.process_time() - began

    def search(begin: int) -> TopK:
        block = slice(begin, begin + BLOCK)
        if isinstance(index, ivf_index.IVFIndex):
            return ivf_index.search(users[block], index, queries[block], TOP_N)
        return exact_index.search(users[block], index, queries[block], TOP_N)

    for begin in range(0, WARM_UP, BLOCK):
        search(begin)
    lists = np.full((len(users), TOP_N), -1, np.int64)
    began = time.process_time()
    for begin in range(0, len(users), BLOCK):
        best = search(begin)
        lists[best.row + begin, best.rank] = best.item
    took = time.process_time() - began
    np.save(_lists(way), lists)
    return {"build": round(built, 2), "search": round(1_000 * took / len(users), 4), "mib": peak()}


def peak() -> int:
    """Return this process's peak resident memory in MiB; getrusage would count its parent's."""
    told_by = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told_by["VmHWM"].split()[0]) // 1024


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Catalogue(int(sys.argv[2]), sys.argv[3] == "1"))))
