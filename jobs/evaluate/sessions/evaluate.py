"""Fit, tune and score session models at every position of the test sessions."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from jobs.evaluate.bootstrap import intervals, paired_difference
from jobs.evaluate.report import Row
from jobs.evaluate.sessions.metrics import DEPTH, METRICS, query_metrics
from jobs.evaluate.sessions.model_specs import BASELINES, SessionModelSpec
from jobs.evaluate.sessions.split import Positions, SessionSplit, build_positions, split_sessions
from jobs.progress import ProgressCallback
from models.protocol import SessionModel
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
) -> list[Row]:
    """Return a row per model. A model that cannot be fitted on these data has `left_out`, the reason, instead of figures.

    `inner`: the split of the training data on which settings are chosen. Without it, or without a query in it, the first
    setting of each grid is taken.
    """
    sums: dict[tuple[str, str], F64] = {}
    validation = next(iter(build_tasks(inner, TUNING_SESSIONS, seed)), None) if inner is not None else None
    rows = []
    for spec in specs:
        try:
            rows.append(_evaluate_model(split, tasks, spec, inner, validation, sums, on_progress))
        except ValueError as error:  # too many tracks, too few plays, a training that diverged
            rows.append({"model": spec.name, "title": spec.title, "left_out": str(error)})
    for row in rows:
        for task in tasks if "left_out" not in row else ():
            row["tasks"][task.name]["differences"] = _differences(row["model"], task, sums)
    return rows


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
            (model,) = spec.fit(inner.train, setting, spec.seeds[:1])
            scores.append(next_ndcg(model, validation, inner.train.n_items))
        config = spec.grid[int(np.argmax(np.round(scores, 12)))]
    on_progress(f"{spec.name}: fitting", 0, 0)
    start = time.monotonic()
    models = spec.fit(split.train, config, spec.seeds)
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
        row["tasks"][task.name] = {
            **_figures(spec.name, task, by_seed, sums), "positions_per_second": round(len(task.positions) / seconds),
        }  # fmt: skip
    return row


def next_ndcg(model: SessionModel, task: SessionTask, n_items: int) -> float:
    """Return the mean NDCG@20 of the next track: 1 / log2(1 + rank)."""
    queries, target = task.positions.queries, task.positions.truth.target
    one_each = Positions(queries, type(task.positions.truth)(target, np.arange(target.size + 1), target), task.positions.session)
    metrics = score_task(model, SessionTask(task.name, task.protocol, one_each, task.repeats), n_items)
    return float(metrics[:, METRICS.index("NDCG@20")].mean())


def _figures(name: str, task: SessionTask, by_seed: Sequence[F64], sums: dict[tuple[str, str], F64]) -> Row:
    """Return metrics with intervals by session; store their sums by session."""
    sizes = _sizes(task)
    per_session = _sum_by(task.positions.session, np.mean(by_seed, axis=0), sizes.size)
    sums[name, task.name] = per_session
    figures = {metric: asdict(i) for metric, i in zip(METRICS, intervals(per_session, sizes=sizes), strict=True)}
    spread = {m: float(np.ptp([scores[:, METRICS.index(m)].mean() for scores in by_seed])) for m in PAIRED}
    return {"metrics": figures, "seed_spread": spread}


def _differences(name: str, task: SessionTask, sums: dict[tuple[str, str], F64]) -> Row:
    """Return the paired differences of a model from the baselines, by session."""
    scored = [baseline for baseline in BASELINES if baseline != name and (baseline, task.name) in sums]
    return {
        baseline: {metric: _difference(sums[name, task.name], sums[baseline, task.name], metric, task) for metric in PAIRED}
        for baseline in scored
    }


def _difference(sums: F64, baseline_sums: F64, metric: str, task: SessionTask) -> Row:
    column = METRICS.index(metric)
    return asdict(paired_difference(sums[:, column], baseline_sums[:, column], sizes=_sizes(task)))


def _sizes(task: SessionTask) -> F64:
    """Return the number of queries of each session."""
    return np.bincount(task.positions.session).astype(np.float64)


def _sum_by(group: I64, values: F64, n_groups: int) -> F64:
    """Return sums [n_groups, M] of `values` [Q, M]."""
    return np.stack([np.bincount(group, column, n_groups) for column in values.T], 1)


def inner_split(split: SessionSplit, days: float) -> SessionSplit:
    """Return the same split of the training data: the `days` before the cutoff are its test days."""
    return split_sessions(split.train, split.cutoff - days * 86_400.0, days)
