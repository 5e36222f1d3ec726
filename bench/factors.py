"""Implicit ALS and the top 20 of all users: ours by one machine's threads, against implicit's, or Spark MLlib's."""

import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, load_npz

from bench.data import listening
from bench.harness import ROOT, RUNS, WORK, Row, guest, told

MOST = 20
SLOW = frozenset({"mllib"})
"""Takes minutes: run once."""
LIMITS = {"implicit": {"fit": 1.5, "top": 1.0}, "mllib": {"fit": 1 / 5, "top": 1 / 20}}
"""Largest share of the peer's time that is good."""
SPEEDS = {"half_steps": "what the half-steps calculate", "scores": "scores of all users and tracks, were all calculated"}
TITLES = {"fit": "fit, 5 iterations of 64 factors", "top": "top 20 of 200,000 users"}


def rows(peer: str = "implicit") -> list[Row]:
    """Time of the fit and of the lists against one peer, and how good the lists are."""
    data = listening()
    ways = [sys.executable, "-m", "bench.factor_ways"]
    commands = {
        "ours": [*ways, "ours", str(data.train), _lists("ours")],
        "implicit": guest(str(ROOT / "bench" / "peer_factors.py"), str(data.train), _lists("implicit")),
        "mllib": [*ways, "mllib", str(data.pairs), _lists("mllib")],
    }
    both = ("ours", peer)
    seconds: dict[str, dict[str, list[float]]] = {name: {"fit": [], "top": []} for name in both}
    speeds: dict[str, list[float]] = {name: [] for name in (*SPEEDS, "product")}
    memory = dict.fromkeys(both, 0)
    for turn in range(RUNS):
        for name in both:
            if turn and name in SLOW:
                continue
            found, peak = told(commands[name])
            memory[name] = max(memory[name], peak)
            for what in TITLES:
                seconds[name][what].append(found[what])
            for what in speeds.keys() & found.keys():
                speeds[what].append(found[what])
            took = f"fit {found['fit']} s, top {found['top']} s, {peak:,} MiB"
            print(f"  {name}, run {turn + 1}: {took}", file=sys.stderr, flush=True)
    made = []
    for what, limit in LIMITS[peer].items():
        mine, theirs = (float(np.median(seconds[name][what])) for name in both)
        ratio = mine / theirs
        made.append(Row(TITLES[what], "s", mine, theirs, peer, ratio, f"at most {limit:.2g} x", ratio <= limit, memory))
    mine, theirs = (ndcg(np.load(_lists(name)), csr_array(load_npz(data.held))) for name in both)
    made.append(Row("NDCG@20 of held-out likes", "", mine, theirs, peer, mine / theirs, "at least 1 x", mine >= theirs, memory))
    limit = float(np.median(speeds["product"]))
    for what, title in SPEEDS.items():
        mine = float(np.median(speeds[what]))
        made.append(Row(title, "Gflop/s", mine, limit, "a float32 product of matrices", mine / limit, "none", True, memory))
    return made


def _lists(name: str) -> str:
    return str(Path(WORK) / f"factors-{name}.npy")


def ndcg(lists: np.ndarray, held: csr_array) -> float:
    """Mean NDCG@20 of the users with held-out likes; `lists` [U, 20]: items, best first, -1 where there is none."""
    gains = 1 / np.log2(np.arange(2, MOST + 2))
    found = []
    for row in np.flatnonzero(np.diff(held.indptr)):
        wanted = held.indices[held.indptr[row] : held.indptr[row + 1]]
        found.append(gains[np.isin(lists[row], wanted)].sum() / gains[: min(MOST, wanted.size)].sum())
    return float(np.mean(found))
