"""`pmrs evaluate sessions`: rank the next track at every position of sessions after a cutoff."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import EvaluationError
from jobs.evaluate.interactions import read_interactions
from jobs.evaluate.report import EvaluationReport, report_head, store_documents
from jobs.evaluate.sessions.evaluate import SessionTask, build_tasks, evaluate_models, inner_split
from jobs.evaluate.sessions.model_specs import select_session_models
from jobs.evaluate.sessions.split import split_sessions
from jobs.evaluate.setup import MAX_TEST_DAYS, open_context
from jobs.progress import ProgressCallback
from jobs.recommenders.session_plays import collect_sessions, order_session_plays
from jobs.settings import Settings
from models.data.sessions import Sessions


@dataclass(frozen=True)
class SessionsConfig:
    """Test sessions and models; recorded with every figure."""

    models: tuple[str, ...] = ()
    """Names of models; empty: the default set."""
    days: int = 0
    """Days before the night's end in which test sessions start; 0: the last quarter of the data, at most MAX_TEST_DAYS."""
    max_sessions: int = 6_000
    """Test sessions, sampled by hash; 0: all. The intervals show what the sampling costs."""
    tune: bool = True
    """Choose settings on the days before the test days; False: use the first settings of each grid."""
    seed: int = 7


def run(settings: Settings, date: str, config: SessionsConfig, on_progress: ProgressCallback) -> EvaluationReport:
    """Evaluate, and return the report; MongoDB has it too (`kind` sessions). Raises EvaluationError without test sessions."""
    try:
        specs = select_session_models(config.models)
    except ValueError as error:
        raise EvaluationError(f"--models: {error}.") from None
    ctx = open_context(settings, date, config)
    on_progress("reading plays", 0, 0)
    interactions = read_interactions(ctx)
    sessions = collect_sessions(order_session_plays(interactions.events, interactions.min_play_ms)).sessions
    end = dt.datetime.combine(ctx.date, dt.time(), dt.UTC) + dt.timedelta(days=1)
    days = config.days or _default_days(sessions, end)
    split = split_sessions(sessions, end.timestamp() - days * 86_400, days)
    tasks = build_tasks(split, config.max_sessions, config.seed) if len(split.train) and len(split.test) else ()
    if not tasks:
        raise EvaluationError(
            f"No session of the {days} days before {end:%Y-%m-%d} has a track that was played before them; sessions need "
            "plays with timestamps on both sides of the cutoff. Choose other --days, or another --date."
        )
    inner = inner_split(split, days) if config.tune else None
    rows = evaluate_models(split, tasks, specs, inner, config.seed, on_progress)
    protocol = (
        f"train on plays before {end - dt.timedelta(days=days):%Y-%m-%d} UTC; predict every track after the first of sessions "
        f"that start in the {days} days after it, among all tracks with a training play"
    )
    report = {**report_head(ctx, "sessions", protocol), **_facts(split.train, tasks), "results": rows}
    store_documents(settings, report)
    return report


def _default_days(sessions: Sessions, end: dt.datetime) -> int:
    if not len(sessions):
        return MAX_TEST_DAYS
    n_days = int((end.timestamp() - sessions.times.min()) // 86_400)
    return max(1, min(MAX_TEST_DAYS, n_days // 4))


def _facts(train: Sessions, tasks: Sequence[SessionTask]) -> dict[str, Any]:
    """Return sizes, and the shares that show how sequential the data are."""
    same_session = np.diff(train.session_of_play) == 0
    equal_times = (np.diff(train.times) == 0) & same_session
    return {
        "train": {"plays": train.items.size, "sessions": len(train), "tracks": np.unique(train.items).size},
        "equal_timestamps": float(equal_times.sum() / max(1, same_session.sum())),
        "tasks": {
            task.name: {
                "protocol": task.protocol,
                "positions": len(task.positions),
                "sessions": int(task.positions.session.max()) + 1,
            }
            for task in tasks
        },
    }
