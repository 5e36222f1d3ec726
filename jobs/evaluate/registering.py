"""A model that was fitted and asked goes into the registry, as a candidate, with a card that says all that is known of it."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.evaluate.evaluate import Asked, Evaluation
from jobs.evaluate.result import Result
from jobs.evaluate.splits import Split
from jobs.lake.manifest import code_version
from jobs.lake.model_registry import Card
from jobs.recommenders.methods import METHODS
from jobs.recommenders.ranker_config import RANKING
from models.stored import to_bytes

OF_THE_SPLIT = ("sources", "synthetic", "date", "split", "protocol", "train", "catalogue", "window")
"""What a card repeats of an evaluation."""


def register(ctx: JobContext, evaluation: Evaluation, asked: Sequence[Asked], told: dict[str, Any]) -> dict[str, str]:
    """Keep each model, with the figures that it was just given; returns digests by model. None of them is live by that."""
    digests = {}
    told = {**told, "window": window_of(evaluation.split, told["date"])}
    for one in asked:
        result = one.results[0]
        weights = to_bytes(one.model, evaluation.learned.tracks, result.model, result.settings)
        digests[result.model] = ctx.night.models.add(RANKING, weights, card_of(one.results, told))
    return digests


def window_of(split: Split, date: str) -> dict[str, str]:
    """`first` and `last` event that was learned from, UTC; where there are no times, the date as of which counts are known."""
    if split.events is None:
        return {"as_of": date}
    first, last = split.events.agg(F.min("played_at"), F.max("played_at")).collect()[0]
    return {"first": f"{first:%Y-%m-%d %H:%M}", "last": f"{last:%Y-%m-%d %H:%M}"}


def card_of(results: Sequence[Result], told: dict[str, Any]) -> Card:
    """The card of a recommender. `told`: the whole evaluation, as `pmrs evaluate --json` prints it, and its `window`."""
    first = results[0]
    return {
        "method": first.model,
        "title": METHODS[first.model].title,
        "settings": first.settings,
        "seed": first.seeds[0] if first.seeds else 0,
        "learned_from": "listening",
        **{key: told[key] for key in OF_THE_SPLIT},
        "tuned": told["results"][0]["tuned"],
        "code": code_version(),
        "tasks": {result.task: _figures(result) for result in results},
        "registered_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _figures(result: Result) -> dict[str, Any]:
    plain = result.to_json()
    wanted = ("queries", "users", "metrics", "beyond", "against", "seeds", "seed_spread", "fit_seconds", "list_seconds")
    return {key: plain[key] for key in wanted}
