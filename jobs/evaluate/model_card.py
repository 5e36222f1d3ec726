"""Register fitted models as candidates, each with a model card."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pyspark.sql import functions as F

from jobs.code_version import code_version
from jobs.context import JobContext
from jobs.evaluate.evaluator import EvaluatedModel, Evaluator
from jobs.evaluate.report import EvaluationReport
from jobs.evaluate.result import Result
from jobs.evaluate.splits import Split
from jobs.lake.model_registry import TRAINED_ON_INTERACTIONS, Card
from jobs.recommenders.methods import METHODS
from jobs.recommenders.ranker_config import RANKING
from models.serialization import to_bytes

REPORT_KEYS = ("sources", "synthetic", "date", "split", "protocol", "train", "catalogue", "window")
"""What a card copies from the evaluation's report."""


def register_models(
    ctx: JobContext, evaluator: Evaluator, evaluated: Sequence[EvaluatedModel], report: EvaluationReport
) -> dict[str, str]:
    """Store each model in the registry with its figures; return digests by model. None of them becomes live."""
    digests = {}
    report = {**report, "window": training_window(evaluator.split, report["date"])}
    tracks = evaluator.training_data.tracks
    for entry in evaluated:
        first = entry.results[0]
        weights = to_bytes(entry.model, tracks, first.model, first.settings)
        digests[first.model] = ctx.night.models.add(RANKING, weights, build_card(entry.results, report))
    return digests


def training_window(split: Split, date: str) -> dict[str, str]:
    """Return `first` and `last` event of the training data (UTC); without timestamps `as_of`, the date of the play counts."""
    if split.events is None:
        return {"as_of": date}
    first, last = split.events.agg(F.min("played_at"), F.max("played_at")).collect()[0]
    return {"first": f"{first:%Y-%m-%d %H:%M}", "last": f"{last:%Y-%m-%d %H:%M}"}


def build_card(results: Sequence[Result], report: EvaluationReport) -> Card:
    """Return the card of a recommender. `report`: as `pmrs evaluate --json` prints it, with `window`."""
    first = results[0]
    return {
        "method": first.model,
        "title": METHODS[first.model].title,
        "settings": first.settings,
        "seed": first.seeds[0] if first.seeds else 0,
        **TRAINED_ON_INTERACTIONS,
        **{key: report[key] for key in REPORT_KEYS},
        "tuned": report["results"][0]["tuned"],
        "code": code_version(),
        "tasks": {result.task: _figures(result) for result in results},
        "registered_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _figures(result: Result) -> dict[str, Any]:
    plain = result.to_json()
    keys = (
        "queries",
        "users",
        "metrics",
        "beyond_accuracy",
        "baselines",
        "seeds",
        "seed_spread",
        "fit_seconds",
        "list_seconds",
    )
    return {key: plain[key] for key in keys}
