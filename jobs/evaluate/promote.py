"""`pmrs promote`: evaluate a candidate, the live model and popularity on one split, and check the promotion criteria."""

import datetime as dt
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import EvaluationError, LakeError
from jobs.evaluate import metrics
from jobs.evaluate.evaluator import BEYOND_ACCURACY_AT, EvaluatedModel, Evaluator
from jobs.evaluate.gate import Verdict, check_gate, mean_churn
from jobs.evaluate.model_specs import ModelSpec, select_models
from jobs.evaluate.promotion_criteria import PromotionCriteria
from jobs.evaluate.setup import EvaluationConfig, EvaluationSetup, prepare
from jobs.lake.collect import collect_arrow
from jobs.lake.model_registry import Card, ModelRegistry, registry_of
from jobs.progress import ProgressCallback
from jobs.recommenders.methods import METHODS, POPULARITY, POPULARITY_WINDOW
from jobs.recommenders.ranker_config import DEFAULT_RANKER, RANKING, RankerConfig, ranker_from_card
from jobs.settings import Settings
from jobs.sources.config import load_sources


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion."""

    card: Card
    """The candidate's, with the verdict as the last of `gate`."""
    verdict: Verdict
    live: str
    """Digest of the model that is live now; empty if there is none."""


def run(
    settings: Settings, model: str, date: str, days: int, criteria: PromotionCriteria, on_progress: ProgressCallback
) -> Promotion:
    """Check the candidate, write the verdict into its card, and make it live if it passed.

    All models are fitted again, with their settings, on the split's training data. Raises EvaluationError if there is
    nothing to evaluate. `model`: a digest, the beginning of one, or a method's name for its newest candidate; `date` and
    `days` as in `EvaluationConfig`.
    """
    _require_metrics(criteria)
    registry = registry_of(settings.lake_root, load_sources(settings.sources_file).name)
    card = find_candidate(registry, model)
    setup = prepare(settings, EvaluationConfig(split=card["split"], date=date, days=days))
    verdict = _check_candidate(setup, card, registry.card(RANKING), criteria, on_progress)
    at, night = dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), setup.ctx.night.date.isoformat()
    entry = {"at": at, "date": night, "protocol": setup.split.protocol, "gate": asdict(criteria), **verdict.to_json()}
    registry.note(RANKING, card["digest"], entry)
    if verdict.passed:
        registry.point(RANKING, card["digest"])
    return Promotion(registry.card(RANKING, card["digest"]) or card, verdict, registry.digest(RANKING) or "")


def _require_metrics(criteria: PromotionCriteria) -> None:
    available = metrics.metric_names()
    if unknown := sorted(set(criteria.metrics) - set(available)):
        raise EvaluationError(f"--metrics: there is no metric {unknown[0]!r}; available are {', '.join(available)}.")
    if not criteria.metrics:
        raise EvaluationError("--metrics: name at least one.")


def find_candidate(registry: ModelRegistry, model: str) -> Card:
    """Return the registered recommender of a digest or method. Raises EvaluationError that lists the registered ones."""
    cards = sorted(
        (card for card, _ in registry.cards() if card["name"] == RANKING), key=lambda card: str(card["registered_at"])
    )
    matches = [card for card in cards if model and (card["digest"].startswith(model) or card["method"] == model)]
    if not matches:
        registered = ", ".join(f"{card['digest']} ({card['method']})" for card in cards)
        available = registered or "none; run `pmrs evaluate --register`"
        raise EvaluationError(f"There is no registered recommender {model!r}; registered are: {available}.")
    newest = matches[-1]
    if newest["method"] == POPULARITY_WINDOW:
        # a night's history has the last play of a track only, not all plays of the last days
        raise EvaluationError(
            f"{model}: {POPULARITY_WINDOW} needs the plays of the last days, which a night's history lacks."
        )
    if newest["digest"] == registry.digest(RANKING):
        raise EvaluationError(f"{model}: the newest such model, {newest['digest']}, is live already.")
    return newest


def _check_candidate(
    setup: EvaluationSetup,
    card: Card,
    live_card: Card | None,
    criteria: PromotionCriteria,
    on_progress: ProgressCallback,
) -> Verdict:
    with tempfile.TemporaryDirectory(dir=setup.ctx.night.settings.var / "tmp") as folder:
        evaluator = Evaluator(setup.split, setup.metadata, Path(folder), on_progress)
        popularity = _evaluate(evaluator, _spec_of(RankerConfig(POPULARITY, METHODS[POPULARITY].settings())))
        live, live_name = _evaluate_live(evaluator, live_card)
        candidate = _evaluate(evaluator, _spec_of(ranker_from_card(card)))
        tasks = [task.name for task in evaluator.tasks if task.candidate_filter == "exclude_seen"]
        churn = {task: _churn(candidate.lists[task], live.lists[task]) for task in tasks}
        return check_gate(candidate.results, live.results, popularity.results, churn, criteria, live_name)


def _evaluate_live(evaluator: Evaluator, card: Card | None) -> tuple[EvaluatedModel, str]:
    """Evaluate the live model, and return it with its name; the default ranker if none is live or it cannot be fitted."""
    if card is not None:
        try:
            return _evaluate(evaluator, _spec_of(ranker_from_card(card))), str(card["digest"])
        except (LakeError, EvaluationError) as error:
            evaluator.on_progress(f"the live model cannot be evaluated: {error}", 0, 0)
    default = RankerConfig(DEFAULT_RANKER, METHODS[DEFAULT_RANKER].settings())
    return _evaluate(evaluator, _spec_of(default)), f"{METHODS[DEFAULT_RANKER].title} with default settings"


def _evaluate(evaluator: Evaluator, spec: ModelSpec) -> EvaluatedModel:
    for evaluated in evaluator.evaluate_models([spec], tune=False):
        return evaluated
    reason = evaluator.left_out.get(spec.name, "no task of this split fits it")
    raise EvaluationError(f"{spec.name} cannot be evaluated: {reason}.")


def _spec_of(ranker: RankerConfig) -> ModelSpec:
    """Return the spec of a ranker: its settings alone, and only tasks that exclude seen tracks."""
    (spec,) = select_models([ranker.name])
    return ModelSpec(ranker.name, (ranker.settings,), spec.seeds, ("exclude_seen",), spec.needs_timestamps)


def _churn(candidate: DataFrame, live: DataFrame) -> float:
    pair = ["query_id", "track_id"]
    candidate_tracks, live_tracks = (
        lists.where(F.col("rank") <= BEYOND_ACCURACY_AT).select(*pair) for lists in (candidate, live)
    )
    joined = live_tracks.join(candidate_tracks.withColumn("retained", F.lit(1)), pair, "left")
    counts = joined.groupBy("query_id").agg(F.count("*").alias("n_tracks"), F.count("retained").alias("n_retained"))
    rows = collect_arrow(counts.select("n_tracks", "n_retained"), 24, "the lists to compare")
    return mean_churn(list(zip(rows["n_tracks"].to_pylist(), rows["n_retained"].to_pylist(), strict=True)))
