"""Compare implicit ALS and the top 20 of all users: ours in one machine's threads, against implicit or Spark MLlib."""

import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, load_npz

from bench.data import like_files
from bench.harness import ROOT, RUNS, WORK, Row, peer_command, run_and_read

TOP_N = 20
SLOW = frozenset({"mllib"})
"""Sides that take minutes: they run once."""
LIMITS = {"implicit": {"fit": 1.5, "top": 1.0}, "mllib": {"fit": 1 / 5, "top": 1 / 20}}
"""Largest ratios to the peer's time that meet the goal."""
SPEEDS = {
    "half_steps": "arithmetic of the half-steps",
    "scores": "scores of all users and tracks, if all were computed",
}
TITLES = {"fit": "fit, 5 iterations of 64 factors", "top": "top 20 of 200,000 users"}


def rows(peer: str = "implicit") -> list[Row]:
    """Return the comparison with one peer: seconds of the fit and of the lists, and NDCG of the lists."""
    data = like_files()
    our_side = [sys.executable, "-m", "bench.factor_sides"]
    commands = {
        "ours": [*our_side, "ours", str(data.train), _lists("ours")],
        "implicit": peer_command(str(ROOT / "bench" / "peer_factors.py"), str(data.train), _lists("implicit")),
        "mllib": [*our_side, "mllib", str(data.pairs), _lists("mllib")],
    }
    both = ("ours", peer)
    seconds: dict[str, dict[str, list[float]]] = {name: {"fit": [], "top": []} for name in both}
    speeds: dict[str, list[float]] = {name: [] for name in (*SPEEDS, "product")}
    memory = dict.fromkeys(both, 0)
    for turn in range(RUNS):
        for name in both:
            if turn and name in SLOW:
                continue
            output, peak = run_and_read(commands[name])
            memory[name] = max(memory[name], peak)
            for what in TITLES:
                seconds[name][what].append(output[what])
            for what in speeds.keys() & output.keys():
                speeds[what].append(output[what])
            figures = f"fit {output['fit']} s, top {output['top']} s, {peak:,} MiB"
            print(f"  {name}, run {turn + 1}: {figures}", file=sys.stderr, flush=True)
    rows_ = []
    for what, limit in LIMITS[peer].items():
        our_value, peer_value = (float(np.median(seconds[name][what])) for name in both)
        ratio = our_value / peer_value
        rows_.append(
            Row(TITLES[what], "s", our_value, peer_value, peer, ratio, f"at most {limit:.2g} x", ratio <= limit, memory)
        )
    our_value, peer_value = (ndcg(np.load(_lists(name)), csr_array(load_npz(data.test_set))) for name in both)
    rows_.append(
        Row(
            "NDCG@20 of held-out likes",
            "",
            our_value,
            peer_value,
            peer,
            our_value / peer_value,
            "at least 1 x",
            our_value >= peer_value,
            memory,
        )
    )
    limit = float(np.median(speeds["product"]))
    for what, title in SPEEDS.items():
        our_value = float(np.median(speeds[what]))
        rows_.append(
            Row(
                title,
                "Gflop/s",
                our_value,
                limit,
                "a float32 product of matrices",
                our_value / limit,
                "none",
                True,
                memory,
            )
        )
    return rows_


def _lists(name: str) -> str:
    return str(Path(WORK) / f"factors-{name}.npy")


def ndcg(lists: np.ndarray, test_set: csr_array) -> float:
    """Return the mean NDCG@20 of the users with held-out likes; `lists` [U, 20]: items, best first, padded with -1."""
    gains = 1 / np.log2(np.arange(2, TOP_N + 2))
    values = []
    for row in np.flatnonzero(np.diff(test_set.indptr)):
        relevant = test_set.indices[test_set.indptr[row] : test_set.indptr[row + 1]]
        values.append(gains[np.isin(lists[row], relevant)].sum() / gains[: min(TOP_N, relevant.size)].sum())
    return float(np.mean(values))
