"""`pmrs promote`: a registered candidate, what ranks now, and popularity are asked on one split; the gate decides, and says why."""

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import EvaluationError, LakeError
from jobs.evaluate import metrics
from jobs.evaluate.contenders import Contender, named
from jobs.evaluate.evaluate import BEYOND_AT, Asked, Evaluation
from jobs.evaluate.gate import Verdict, churn_of, judge
from jobs.evaluate.limits import Gate
from jobs.evaluate.question import Config, Question, put
from jobs.lake.collect import collect_arrow
from jobs.lake.model_registry import Card, ModelRegistry, registry_of
from jobs.recommenders.methods import METHODS, POPULARITY, POPULARITY_WINDOW
from jobs.recommenders.ranker_config import RANKING, SHIPPED, Recipe, of_card
from jobs.settings import Settings
from jobs.sources.config import load_sources


@dataclass(frozen=True)
class Promotion:
    """How it went."""

    card: Card
    """The candidate's, with the verdict as the last of `gate`."""
    verdict: Verdict
    live: str
    """Digest of the model that is live now; empty where none is."""


def run(settings: Settings, wanted: str, date: str, days: int, gate: Gate, say: Callable[[str], object]) -> Promotion:
    """Ask them, judge, write the verdict into the card, and point to the candidate if it passed.

    `wanted`: a digest, the beginning of one, or a method's name for its newest candidate; `date` and `days` as in `Config`. All
    are fitted anew, with their settings, on the split's training part. Raises EvaluationError where nothing is asked.
    """
    if unknown := sorted(set(gate.metrics) - set(metrics.names())):
        raise EvaluationError(f"--metrics: there is no metric {unknown[0]!r}; there are {', '.join(metrics.names())}.")
    if not gate.metrics:
        raise EvaluationError("--metrics: name at least one.")
    registry = registry_of(settings.lake_root, load_sources(settings.sources_file).name)
    card = candidate(registry, wanted)
    question = put(settings, Config(split=card["split"], date=date, days=days))
    verdict = _judged(question, card, registry.card(RANKING), gate, say)
    at, night = dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), question.ctx.night.date.isoformat()
    noted = {"at": at, "date": night, "protocol": question.split.protocol, "gate": asdict(gate), **verdict.to_json()}
    registry.note(RANKING, card["digest"], noted)
    if verdict.passed:
        registry.point(RANKING, card["digest"])
    return Promotion(registry.card(RANKING, card["digest"]) or card, verdict, registry.digest(RANKING) or "")


def candidate(registry: ModelRegistry, wanted: str) -> Card:
    """The registered recommender that is meant. Raises EvaluationError naming what there is."""
    cards = sorted((card for card, _ in registry.cards() if card["name"] == RANKING), key=lambda card: str(card["registered_at"]))
    found = [card for card in cards if wanted and (card["digest"].startswith(wanted) or card["method"] == wanted)]
    if not found:
        known = ", ".join(f"{card['digest']} ({card['method']})" for card in cards) or "none; `pmrs evaluate --register` makes some"
        raise EvaluationError(f"There is no registered recommender {wanted!r}; there are: {known}.")
    if found[-1]["method"] == POPULARITY_WINDOW:
        # a night's history tells when a track was heard last, not all that was heard in the last days
        raise EvaluationError(f"{wanted}: {POPULARITY_WINDOW} learns from the last days alone, which nights do not tell apart.")
    if found[-1]["digest"] == registry.digest(RANKING):
        raise EvaluationError(f"{wanted}: the newest such model, {found[-1]['digest']}, is live already.")
    return found[-1]


def _judged(question: Question, card: Card, live: Card | None, gate: Gate, say: Callable[[str], object]) -> Verdict:
    with tempfile.TemporaryDirectory(dir=question.ctx.night.settings.var / "tmp") as folder:
        evaluation = Evaluation(question.split, question.facts, Path(folder), say)
        popular = _asked(evaluation, _contender(Recipe(POPULARITY, METHODS[POPULARITY].settings())))
        now, against = _now(evaluation, live)
        ours = _asked(evaluation, _contender(of_card(card)))
        tasks = [task.name for task in evaluation.tasks if task.offered == "unheard"]
        churn = {task: _churn(ours.lists[task], now.lists[task]) for task in tasks}
        return judge(ours.results, now.results, popular.results, churn, gate, against)


def _now(evaluation: Evaluation, live: Card | None) -> tuple[Asked, str]:
    """What ranks now: the live recipe, else the shipped one; that too where the live one is unknown here or refuses the data."""
    if live is not None:
        try:
            return _asked(evaluation, _contender(of_card(live))), str(live["digest"])
        except (LakeError, EvaluationError) as error:
            evaluation.say(f"the live model cannot be asked: {error}")
    shipped = Recipe(SHIPPED, METHODS[SHIPPED].settings())
    return _asked(evaluation, _contender(shipped)), f"{METHODS[SHIPPED].title} as it is shipped"


def _asked(evaluation: Evaluation, contender: Contender) -> Asked:
    for asked in evaluation.of_models([contender], tune=False):
        return asked
    why = evaluation.left_out.get(contender.name, "no task of this split suits it")
    raise EvaluationError(f"{contender.name} cannot be asked: {why}.")


def _contender(recipe: Recipe) -> Contender:
    """The contender of a recipe, with its settings alone, asked for lists of unheard tracks only."""
    (known,) = named([recipe.name])
    return Contender(recipe.name, (recipe.settings,), known.seeds, ("unheard",), known.wants_times)


def _churn(ours: DataFrame, theirs: DataFrame) -> float:
    top = [lists.where(F.col("rank") <= BEYOND_AT).select("query_id", "track_id") for lists in (ours, theirs)]
    both = top[1].join(top[0].withColumn("kept", F.lit(1)), ["query_id", "track_id"], "left")
    counted = both.groupBy("query_id").agg(F.count("*").alias("places"), F.count("kept").alias("kept"))
    rows = collect_arrow(counted.select("places", "kept"), 24, "the lists to be compared")
    return churn_of(list(zip(rows["places"].to_pylist(), rows["kept"].to_pylist(), strict=True)))
