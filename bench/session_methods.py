"""Score the session methods on the 30Music sample, alone: `python -m bench.session_methods [NAME ...]`.

Split, positions and metrics are those of `pmrs evaluate sessions` (docs/evaluation.md): 6,000 sessions of the last 14 days,
ties against the model, the session alone unless a name ends in `+user`. `--validate` moves both windows 14 days back. The data
are read with pyarrow, without Spark, so that the speeds are those of the methods.
"""

import argparse
import datetime as dt
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.evaluate.sessions.evaluate import SessionTask, build_tasks, score_task
from jobs.evaluate.sessions.metrics import METRICS
from jobs.evaluate.sessions.split import SessionSplit, split_sessions
from models.data.sessions import Sessions, build_sessions
from models.protocol import SessionModel
from models.sessions import backoff, blend, context_tree, knn, popularity, rules, slist, stan
from models.sessions.blend_candidates import CandidatesConfig
from models.types import I64

FILE = Path("thirty_music") / "sessions_sample_10.parquet"
TEST_DAYS, DAY = 14, 86_400.0
END = dt.datetime(2015, 1, 21, tzinfo=dt.UTC)
"""End of the sample's last day."""
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
    "session blend": lambda train: blend.fit(train, blend.BlendConfig(CandidatesConfig(use_past=False))),
    "session blend+user": lambda train: blend.fit(train, blend.BlendConfig()),
}


@dataclass(frozen=True)
class Result:
    """Figures of one method."""

    hit_rate: float
    reciprocal_rank: float
    fit_seconds: float
    positions_per_second: float
    positions_per_cpu_second: float
    """Of one core; it does not depend on other processes."""


def load_split(validate: bool) -> SessionSplit:
    """Read the sample and split it by time; `validate`: the days before the test days are the test days."""
    table = pq.read_table(Path(os.environ["PMRS_REAL_DATA"]) / FILE)
    columns = (table["session_id"], table["song_id"].cast(pa.string()), table["user_id"].cast(pa.string()))
    (_, session), (n_items, items), (n_users, users) = (_number(column) for column in columns)
    sessions = build_sessions(session, items, table["ts"].to_numpy().astype(np.float64), users, n_items, n_users)
    end = END.timestamp() - (2 if validate else 1) * TEST_DAYS * DAY
    return split_sessions(sessions, end, TEST_DAYS)


def _number(column: pa.ChunkedArray) -> tuple[int, I64]:
    """Return the number of distinct values, and each row's value by its place in their order."""
    values = pc.unique(column).sort()
    return len(values), pc.index_in(column, values).to_numpy().astype(np.int64)


def load_task(split: SessionSplit, with_user: bool) -> SessionTask:
    """Return the test positions, with repeats."""
    alone, past, *_ = build_tasks(split, N_SESSIONS, SEED)
    return past if with_user else alone


def hits(model: SessionModel, split: SessionSplit, task: SessionTask) -> tuple[float, float]:
    """Return HR@20 and MRR@20."""
    means = score_task(model, task, split.train.n_items).mean(axis=0)
    return float(means[METRICS.index("HR@20")]), float(means[METRICS.index("MRR@20")])


def measure(fit: Fit, split: SessionSplit, task: SessionTask) -> Result:
    """Fit a model and score its lists. The first list, which compiles the kernel, is not timed."""
    queries = task.positions.queries
    start = time.perf_counter()
    model = fit(split.train)
    fitted = time.perf_counter()
    model.recommend(queries[:1], DEPTH)
    start_lists, start_cpu = time.perf_counter(), time.process_time()
    model.recommend(queries, DEPTH)
    seconds, cpu = time.perf_counter() - start_lists, time.process_time() - start_cpu
    return Result(*hits(model, split, task), fitted - start, len(queries) / seconds, len(queries) / cpu)


def main(names: Iterable[str], validate: bool) -> None:
    """Print a table."""
    split = load_split(validate)
    tasks = {with_user: load_task(split, with_user) for with_user in (False, True)}
    positions = tasks[False].positions
    print(f"{len(split.train):,} training sessions, {split.train.items.size:,} plays, {split.train.n_items:,} items")
    print(f"{len(positions):,} positions of {positions.session.max() + 1:,} sessions", flush=True)
    print(f"{'method':<24} {'HR@20':>7} {'MRR@20':>7} {'fit s':>7} {'positions/s':>12} {'/CPU s':>10}")
    for name in names or METHODS:
        result = measure(METHODS[name], split, tasks[name.endswith("+user")])
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
