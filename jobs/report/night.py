"""The night's report: `pmrs run report --date D` writes an HTML page, documents in MongoDB and a metrics file.

The page begins with a verdict, is readable on a phone and needs no network.
"""

import datetime as dt
import time

from jobs.atomic_io import write_atomic
from jobs.code_version import code_version
from jobs.context import JobContext
from jobs.lake.inputs import model_input
from jobs.mongo import views
from jobs.mongo.connection import Document, MongoDatabase, connect
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS, collection_name
from jobs.recommenders.methods import METHODS
from jobs.recommenders.ranker_config import DEFAULT_RANKER, RANKING
from jobs.report import documents, genre, prometheus
from jobs.report.cards import write_pages
from jobs.report.config import ReportConfig
from jobs.report.facts import RunInfo, Stage
from jobs.report.gather import collect
from jobs.report.page import render
from jobs.report.verdict import Limits, find_problems
from jobs.report_paths import report_file


def run(ctx: JobContext) -> None:
    """Read the lake and MongoDB; write the page, the documents, the models' pages and the newest night's metrics."""
    config: ReportConfig = ctx.config  # type: ignore[assignment]
    night, metric = ctx.night, config.metric
    name = night.sources.name
    with connect(night.settings, name) as store:
        facts = collect(ctx, read_run_info(ctx, store), metric, config.nights)
        findings = find_problems(facts, Limits(), metric)
        write_atomic(report_file(night.settings, name, night.date), render(facts, findings, metric))
        summary = documents.summarize(facts, findings, metric)
        built = documents.build_documents(facts, findings, metric)
        documents.store_documents(store, built, facts.run.run_id, summary)
    if facts.run.is_newest:
        text = prometheus.metrics_text(facts, findings, metric, time.time())
        write_atomic(prometheus.metrics_file(night.settings, name), text)
    write_pages(night.settings, name, night.models)


def read_run_info(ctx: JobContext, store: MongoDatabase) -> RunInfo:
    """Return what MongoDB has about the reported run and the previous night.

    A run of the report alone has published nothing; its report is about the run that was published last for the date.
    """
    night = ctx.night
    date = night.date.isoformat()
    own = store.runs.find_one({"_id": night.run_id}) or {}
    run = own if store.publications.find_one({"_id": night.run_id}) else _last_published(store, date) or own
    run_id = str(run.get("_id", night.run_id))
    previous = _last_published(store, (night.date - dt.timedelta(days=1)).isoformat())
    jobs = {name: times for name, times in run.get("jobs", {}).items() if name != ctx.job}
    return RunInfo(
        date=date,
        run_id=run_id,
        sources=night.sources.name,
        synthetic=night.sources.synthetic,
        live_run=views.live_run(store),
        is_newest=store.publications.find_one({"date": {"$gt": date}}) is None,
        stages=build_stages(jobs, previous.get("jobs", {})),
        previous=previous.get("report", {}),
        documents=_count_documents(store, run_id),
        genre_model=genre.model_of_night(ctx),
        code=code_version(),
        ranker=ranker_sentence(ctx),
    )


def ranker_sentence(ctx: JobContext) -> str:
    """Return a sentence about the recommender that ranked the lists."""
    manifest = ctx.night.lake.manifest("candidates", ctx.night.date.isoformat())
    digest = manifest.input(model_input(RANKING)) if manifest else None
    if not digest:
        return f"The ranker is the default, {METHODS[DEFAULT_RANKER].title}: no other recommender is promoted."
    card = ctx.night.models.card(RANKING, digest) or {}
    return f"The ranker is {card.get('title', 'a recommender')} ({digest}), which was promoted."


def _last_published(store: MongoDatabase, date: str) -> Document:
    """Return the run that was published last for a date; empty if there is none."""
    newest_first = [("published_at", -1), ("_id", -1)]
    publication = store.publications.find_one({"date": date}, {"_id": 1}, sort=newest_first)
    return (store.runs.find_one({"_id": publication["_id"]}) if publication else None) or {}


def _count_documents(store: MongoDatabase, run_id: str) -> dict[str, int]:
    """Return the number of published documents by view, and the number of audited `lists`."""
    counts = {
        view: store[collection_name(view, run_id)].estimated_document_count()
        for view in (RECOMMENDATIONS, *SECONDARY_VIEWS)
    }
    return {**counts, "lists": (store.publications.find_one({"_id": run_id}) or {}).get("lists", 0)}


def build_stages(jobs: Document, previous_jobs: Document) -> list[Stage]:
    """Return the times of a run's jobs, with those of the previous night if both nights computed the rows."""
    stages = []
    for name, times in jobs.items():
        previous = previous_jobs.get(name, {})
        comparable = bool(previous) and not times["reused"] and not previous["reused"]
        stages.append(Stage(name, times["seconds"], times["reused"], previous["seconds"] if comparable else None))
    return stages
