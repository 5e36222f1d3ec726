"""Fit, tune and score session models at every position of the test sessions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from jobs.evaluate.bootstrap import intervals, paired_difference
from jobs.evaluate.report import Row
from jobs.evaluate.sessions.metrics import DEPTH, METRICS, query_metrics
from jobs.evaluate.sessions.model_specs import BASELINES, SessionModelSpec
from jobs.evaluate.sessions.split import Positions, SessionSplit, build_positions, split_sessions
from jobs.progress import ProgressCallback
from models.protocol import CatalogTooLargeError, SessionModel
from models.sessions.played import depth_for, without_played
from models.types import F64, I64

BLOCK = 2_000
"""Queries ranked at a time: lists of a block take some 3 MB."""
TUNING_SESSIONS = 2_000
"""Test sessions of the inner split, so that a setting takes seconds."""
TUNING_METRIC = "NDCG@20 of the next track"
PAIRED = ("HR@20", "MRR@20")
"""Metrics with paired differences from the baselines."""


@dataclass(frozen=True)
class SessionTask:
    """Test queries of one kind."""

    name: str
    protocol: str
    positions: Positions
    repeats: bool
    """False: tracks that the session has played are removed from the lists."""


def build_tasks(split: SessionSplit, max_sessions: int, seed: int) -> tuple[SessionTask, ...]:
    """Return four tasks: with and without repeats, from the session alone and with the user's past."""
    tasks = []
    for repeats in (True, False):
        positions = build_positions(split, max_sessions, seed, repeats)
        alone = Positions(positions.queries.session_alone(), positions.truth, positions.session)
        suffix, candidates = ("", "all tracks are candidates") if repeats else (", no repeats", "tracks of the session are not")
        for name, given, queries in (
            ("session alone", "from the plays of the session before it", alone),
            ("with the user's past", "from the plays of the session before it, and the user's earlier sessions", positions),
        ):
            protocol = f"predict every track of a session after the first, {given}; {candidates}"
            tasks.append(SessionTask(name + suffix, protocol, queries, repeats))
    return tuple(task for task in tasks if len(task.positions))


def score_task(model: SessionModel, task: SessionTask, n_items: int) -> F64:
    """Return METRICS of every query [Q, M]."""
    queries, truth = task.positions.queries, task.positions.truth
    parts = [np.empty((0, len(METRICS)))]
    for start in range(0, len(queries), BLOCK):
        rows = slice(start, min(start + BLOCK, len(queries)))
        block = queries[rows]
        lists = model.recommend(block, DEPTH if task.repeats else depth_for(block, DEPTH))
        if not task.repeats:
            lists = without_played(block, lists, DEPTH)
        parts.append(query_metrics(lists, truth[rows], n_items))
    return np.concatenate(parts)


def evaluate_models(
    split: SessionSplit,
    tasks: Sequence[SessionTask],
    specs: Sequence[SessionModelSpec],
    inner: SessionSplit | None,
    seed: int,
    on_progress: ProgressCallback,
) -> Iterator[Row]:
    """Yield a row per model that supports data of this size; a left-out model's row has `left_out`, the reason.

    `inner`: the split of the training data on which settings are chosen; None: the first setting of each grid.
    """
    sums: dict[tuple[str, str], F64] = {}
    validation = build_tasks(inner, TUNING_SESSIONS, seed)[0] if inner is not None else None
    for spec in specs:
        try:
            yield _evaluate_model(split, tasks, spec, inner, validation, sums, on_progress)
        except CatalogTooLargeError as error:
            yield {"model": spec.name, "title": spec.title, "left_out": str(error)}


def _evaluate_model(
    split: SessionSplit,
    tasks: Sequence[SessionTask],
    spec: SessionModelSpec,
    inner: SessionSplit | None,
    validation: SessionTask | None,
    sums: dict[tuple[str, str], F64],
    on_progress: ProgressCallback,
) -> Row:
    config, scores = spec.grid[0], []
    if inner is not None and validation is not None and len(spec.grid) > 1:
        for number, setting in enumerate(spec.grid):
            on_progress(f"{spec.name}: tuning", number, len(spec.grid))
            scores.append(next_ndcg(spec.fit(inner.train, setting, spec.seeds[0]), validation, split.train.n_items))
        config = spec.grid[int(np.argmax(np.round(scores, 12)))]
    on_progress(f"{spec.name}: fitting", 0, 0)
    start = time.monotonic()
    models = [spec.fit(split.train, config, seed) for seed in spec.seeds]
    fit_seconds = (time.monotonic() - start) / len(models)
    row: Row = {
        "model": spec.name, "title": spec.title, "settings": asdict(config), "seeds": list(spec.seeds),
        "fit_seconds": round(fit_seconds, 2), "tuning": {TUNING_METRIC: scores} if scores else {}, "tasks": {},
    }  # fmt: skip
    for task in tasks:
        on_progress(f"{spec.name}: {task.name}", 0, 0)
        start = time.monotonic()
        by_seed = [score_task(model, task, split.train.n_items) for model in models]
        seconds = (time.monotonic() - start) / len(models)
        row["tasks"][task.name] = _figures(spec.name, task, by_seed, sums) | {
            "positions_per_second": round(len(task.positions) / seconds)
        }
    return row


def next_ndcg(model: SessionModel, task: SessionTask, n_items: int) -> float:
    """Return the mean NDCG@20 of the next track: 1 / log2(1 + rank)."""
    queries, target = task.positions.queries, task.positions.truth.target
    one_each = Positions(queries, type(task.positions.truth)(target, np.arange(target.size + 1), target), task.positions.session)
    metrics = score_task(model, SessionTask(task.name, task.protocol, one_each, task.repeats), n_items)
    return float(metrics[:, METRICS.index("NDCG@20")].mean())


def _figures(name: str, task: SessionTask, by_seed: Sequence[F64], sums: dict[tuple[str, str], F64]) -> Row:
    """Return metrics with intervals by session, and paired differences from the baselines scored so far."""
    session, sizes = task.positions.session, np.bincount(task.positions.session).astype(np.float64)
    per_session = _sum_by(session, np.mean(by_seed, axis=0), sizes.size)
    sums[name, task.name] = per_session
    figures = {metric: asdict(i) for metric, i in zip(METRICS, intervals(per_session, sizes=sizes), strict=True)}
    columns = [METRICS.index(metric) for metric in PAIRED]
    differences = {
        baseline: {
            metric: asdict(paired_difference(per_session[:, c], sums[baseline, task.name][:, c], sizes=sizes))
            for metric, c in zip(PAIRED, columns, strict=True)
        }
        for baseline in BASELINES if baseline != name and (baseline, task.name) in sums
    }  # fmt: skip
    spread = {metric: float(np.ptp([seed[:, c].mean() for seed in by_seed])) for metric, c in zip(PAIRED, columns, strict=True)}
    return {"metrics": figures, "differences": differences, "seed_spread": spread}


def _sum_by(group: I64, values: F64, n_groups: int) -> F64:
    """Return sums [n_groups, M] of `values` [Q, M]."""
    return np.stack([np.bincount(group, column, n_groups) for column in values.T], 1)


def inner_split(split: SessionSplit, days: float) -> SessionSplit:
    """Return the same split of the training data: the `days` before the cutoff are its test days."""
    return split_sessions(split.train, split.cutoff - days * 86_400.0, days)
