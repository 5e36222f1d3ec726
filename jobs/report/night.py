"""The night's report: a page that needs no network, documents in MongoDB, a metrics file: `pmrs run report --date D`.

The page is readable on a phone and begins with a verdict; the same facts go into `quality` and into the run's document.
"""

import datetime as dt
import time
from dataclasses import dataclass

from jobs.atomic_io import write_whole
from jobs.context import JobContext
from jobs.lake.manifest import code_version
from jobs.mongo import views
from jobs.mongo.connection import Document, MongoDatabase, connect
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS, collection_name
from jobs.recommenders.methods import METHODS
from jobs.recommenders.ranker_config import DEFAULT_RANKER, RANKING
from jobs.report import documents, genre, prometheus
from jobs.report.cards import write_pages
from jobs.report.facts import Facts, Seen, Stage
from jobs.report.gather import collect
from jobs.report.page import render
from jobs.report.verdict import Finding, Limits, judge
from jobs.report_paths import report_file


@dataclass(frozen=True)
class Config:
    """What of the quality is shown. What is worth a look, says verdict.Limits."""

    metric: str = "NDCG@20"
    """Of table `quality`: the one that is drawn, told in words and judged. NDCG over the whole overall list."""
    nights: int = 30
    """Nights drawn: a month shows a trend and its weekly swing, and still has room on a phone."""


def run(ctx: JobContext) -> None:
    """Reads the lake and MongoDB; writes the page, whole or not at all, documents, models' pages, the newest night's metrics."""
    config: Config = ctx.config  # type: ignore[assignment]
    night = ctx.night
    with connect(night.settings, night.sources.name) as store:
        facts = collect(ctx, seen(ctx, store), config.metric, config.nights)
        findings = judge(facts, Limits(), config.metric)
        write_whole(report_file(night.settings, night.sources.name, night.date), render(facts, findings, config.metric))
        short = documents.compact(facts, findings, config.metric)
        documents.store_documents(store, documents.documents(facts, findings, config.metric), facts.seen.run_id, short)
    if facts.seen.newest:
        _write_metrics(ctx, facts, findings, config.metric)
    write_pages(night.settings, night.sources.name, night.models)


def seen(ctx: JobContext, store: MongoDatabase) -> Seen:
    """The run that is told of, and the night before it, as MongoDB knows them.

    A run of the report alone has published nothing: it tells again of the run that was published last for the date.
    """
    night = ctx.night
    date = night.date.isoformat()
    own = store.runs.find_one({"_id": night.run_id}) or {}
    run = own if store.publications.find_one({"_id": night.run_id}) else _published(store, date) or own
    run_id = str(run.get("_id", night.run_id))
    before = _published(store, (night.date - dt.timedelta(days=1)).isoformat())
    return Seen(
        date=date, run_id=run_id, sources=night.sources.name, synthetic=night.sources.synthetic,
        live=views.live_run(store),
        newest=store.publications.find_one({"date": {"$gt": date}}) is None,
        stages=stages({job: told for job, told in run.get("jobs", {}).items() if job != ctx.job}, before.get("jobs", {})),
        before=before.get("report", {}),
        documents=_documents(store, run_id),
        model=genre.heard_with(ctx),
        ranker=ranker(ctx),
        code=code_version(),
    )  # fmt: skip


def ranker(ctx: JobContext) -> str:
    """What the lists were made with, in a sentence."""
    made = ctx.night.lake.manifest("candidates", ctx.night.date.isoformat())
    digest = made.inputs.get(f"model|{RANKING}", "") if made else ""
    if not digest:
        return f"Ranked with {METHODS[DEFAULT_RANKER].title} as it is shipped: no other recommender had passed the gate."
    card = ctx.night.models.card(RANKING, digest) or {}
    return f"Ranked with {card.get('title', 'a recommender')} ({digest}), which passed the gate."


def _published(store: MongoDatabase, date: str) -> Document:
    """The run that was published last for a date, or nothing."""
    found = store.publications.find_one({"date": date}, {"_id": 1}, sort=[("published_at", -1), ("_id", -1)])
    return (store.runs.find_one({"_id": found["_id"]}) if found else None) or {}


def _documents(store: MongoDatabase, run_id: str) -> dict[str, int]:
    """Documents that readers find, by view, and the `lists` that the audit passed."""
    held = {view: store[collection_name(view, run_id)].estimated_document_count() for view in (RECOMMENDATIONS, *SECONDARY_VIEWS)}
    return {**held, "lists": (store.publications.find_one({"_id": run_id}) or {}).get("lists", 0)}


def stages(jobs: Document, before: Document) -> list[Stage]:
    """Times of the jobs of a run's document, beside those of the night before where both computed."""
    made = []
    for name, told in jobs.items():
        old = before.get(name, {})
        alike = bool(old) and not told["reused"] and not old["reused"]
        made.append(Stage(name, told["seconds"], told["reused"], old["seconds"] if alike else None))
    return made


def _write_metrics(ctx: JobContext, facts: Facts, findings: list[Finding], metric: str) -> None:
    name = ctx.night.sources.name
    told = prometheus.metrics(facts, findings, metric, time.time())
    write_whole(prometheus.metrics_file(ctx.night.settings, name), prometheus.text(told, {"sources": name}))
