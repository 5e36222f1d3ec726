"""Score the simple session methods on the 30Music sample: `python -m bench.session_methods [NAME ...]`.

Training: the sessions that started before the last 14 days of the log. Test: every position of the sessions that started
in those days, with the plays before it in the session. User and earlier sessions are not used unless a name ends in
`+user`. Earlier sessions are those of training and the sampled ones of the test. Items that training does not have are
removed from the test sessions, as session-rec does; 6,000 of the sessions with two plays or more are sampled by a hash
of their ids. `--validate` moves both windows 14 days back.

HR@20 and MRR@20 rank an item behind all others of the same score. The data are read with pyarrow alone.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions, build_sessions, every_position
from models.protocol import SessionModel
from models.sessions import backoff, context_tree, knn, popularity, rules, slist, stan
from models.types import F64, I64, Mask

FILE = Path("thirty_music") / "sessions_sample_10.parquet"
TEST_DAYS, DAY = 14, 86_400.0
N_SESSIONS, DEPTH, SEED = 6_000, 20, 7

Fit = Callable[[Sessions], SessionModel]
METHODS: dict[str, Fit] = {
    "popularity": lambda train: popularity.fit(train, popularity.PopularityConfig(0.0)),
    "popularity 7 days": lambda train: popularity.fit(train, popularity.PopularityConfig(7.0)),
    "own counts": lambda train: popularity.fit_own_plays(train, popularity.OwnPlaysConfig(0.0)),
    "own counts+user": lambda train: popularity.fit_own_plays(train, popularity.OwnPlaysConfig(0.0)),
    "base level": lambda train: popularity.fit_own_plays(train, popularity.OwnPlaysConfig()),
    "base level+user": lambda train: popularity.fit_own_plays(train, popularity.OwnPlaysConfig()),
    "association": lambda train: rules.fit(train, rules.ASSOCIATION),
    "markov": lambda train: rules.fit(train, rules.MARKOV),
    "sequential": lambda train: rules.fit(train, rules.RulesConfig()),
    "sknn": lambda train: knn.fit(train, knn.SKNN),
    "vsknn": lambda train: knn.fit(train, knn.VSKNN),
    "stan hr": lambda train: stan.fit(train, stan.STAN_HR),
    "stan mrr": lambda train: stan.fit(train, stan.STAN_MRR),
    "vstan hr": lambda train: stan.fit(train, stan.VSTAN_HR),
    "vstan mrr": lambda train: stan.fit(train, stan.VSTAN_MRR),
    "directed vstan": lambda train: stan.fit(train, stan.DIRECTED),
    "directed vstan+user": lambda train: stan.fit(train, stan.DIRECTED_WITH_USER),
    "context tree": lambda train: context_tree.fit(train, context_tree.ContextTreeConfig()),
    "slist, targets as code": lambda train: slist.fit(train, slist.SlistConfig(normalize_targets=False)),
    "back-off, n-grams": lambda train: backoff.fit(train, backoff.BackoffConfig(skip_steps=0)),
    "slist": lambda train: slist.fit(train, slist.SlistConfig()),
    "back-off": lambda train: backoff.fit(train, backoff.BackoffConfig()),
}


@dataclass(frozen=True)
class Split:
    """Training sessions, and the queries of the test sessions."""

    train: Sessions
    queries: SessionQueries
    targets: I64
    """[Q]"""


@dataclass(frozen=True)
class Result:
    """Figures of one method."""

    hit_rate: float
    reciprocal_rank: float
    fit_seconds: float
    positions_per_second: float
    positions_per_cpu_second: float
    """Of one core; it does not depend on other processes."""


def load_split(validate: bool) -> Split:
    """Read the sample and split it by time."""
    table = pq.read_table(Path(os.environ["PMRS_REAL_DATA"]) / FILE)
    session, user, song, times = (table[name].to_numpy() for name in ("session_id", "user_id", "song_id", "ts"))
    starts = _first_time(session, times)
    end = times.max() - (TEST_DAYS * DAY if validate else 0)
    is_train = starts < end - TEST_DAYS * DAY
    is_test = ~is_train & (starts <= end)
    songs, users = np.unique(song[is_train]), np.unique(user[is_train])
    is_test &= np.isin(song, songs)
    item = np.searchsorted(songs, song)
    new_users = np.setdiff1d(user[is_test], users)
    user_id = np.where(
        np.isin(user, users), np.searchsorted(users, user), users.size + np.searchsorted(new_users, user)
    )
    is_test &= _is_sampled(session, is_test)

    def build(rows: Mask, n_users: int) -> Sessions:
        seconds = times[rows].astype(np.float64)
        return build_sessions(session[rows], item[rows], seconds, user_id[rows], songs.size, n_users)

    train = build(is_train, users.size)
    queries, _ = every_position(build(is_test, users.size + new_users.size), train)
    targets = queries.items[queries.ends]
    return Split(train, queries, targets)


def _first_time(session: I64, times: I64) -> I64:
    """Return the time of the first play of each play's session [N]."""
    _, row = np.unique(session, return_inverse=True)
    first = np.full(int(row.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, row, times)
    return np.asarray(first[row])


def _is_sampled(session: I64, is_test: Mask) -> Mask:
    """Return which plays [N] belong to the sampled test sessions of two plays or more."""
    ids, n_plays = np.unique(session[is_test], return_counts=True)
    ids = ids[n_plays > 1]
    key = (ids.astype(np.uint64) + np.uint64(SEED)) * np.uint64(0x9E3779B97F4A7C15)
    key ^= key >> np.uint64(32)
    key *= np.uint64(0xD6E8FEB86659FD93)
    return np.isin(session, ids[np.argsort(key, kind="stable")[:N_SESSIONS]])


def ranks(ranked: RankedItems, targets: I64) -> F64:
    """Return the 1-based rank of each target [Q], behind all items of the same score; inf if not listed."""
    listed = ranked.items == targets[:, None]
    score = np.where(listed, ranked.scores, -np.inf).max(axis=1)
    rank = ((ranked.scores >= score[:, None]) & (ranked.items != PADDING)).sum(axis=1)
    return np.where(listed.any(axis=1), rank, np.inf)


def measure(fit: Fit, split: Split, queries: SessionQueries) -> Result:
    """Fit a model and score its lists. The first list, which compiles the kernel, is not timed."""
    start = time.perf_counter()
    model = fit(split.train)
    fitted = time.perf_counter()
    model.recommend(queries[:1], DEPTH + 1)
    start_lists, start_cpu = time.perf_counter(), time.process_time()
    ranked = model.recommend(queries, DEPTH + 1)
    seconds, cpu = time.perf_counter() - start_lists, time.process_time() - start_cpu
    rank = ranks(ranked, split.targets)
    rank[rank > DEPTH] = np.inf
    return Result(
        float(np.isfinite(rank).mean()), float((1 / rank).mean()), fitted - start, rank.size / seconds, rank.size / cpu
    )


def main(names: Iterable[str], validate: bool) -> None:
    """Print a table."""
    split = load_split(validate)
    alone = split.queries.session_alone()
    print(f"{len(split.train):,} training sessions, {split.train.items.size:,} plays, {split.train.n_items:,} items")
    print(f"{split.targets.size:,} positions of {np.unique(split.queries.starts).size:,} sessions", flush=True)
    print(f"{'method':<24} {'HR@20':>7} {'MRR@20':>7} {'fit s':>7} {'positions/s':>12} {'/CPU s':>10}")
    for name in names or METHODS:
        result = measure(METHODS[name], split, split.queries if name.endswith("+user") else alone)
        figures = f"{result.hit_rate:7.4f} {result.reciprocal_rank:7.4f} {result.fit_seconds:7.1f}"
        print(
            f"{name:<24} {figures} {result.positions_per_second:12,.0f} {result.positions_per_cpu_second:10,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(METHODS))
    parser.add_argument("--validate", action="store_true", help="move training and test 14 days back")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - METHODS.keys():
        parser.error(f"unknown methods: {', '.join(sorted(unknown))}")
    main(arguments.names, arguments.validate)
