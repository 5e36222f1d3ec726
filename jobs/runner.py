"""Run jobs of a night: lease, Spark session, reuse of unchanged rows, progress, and the document in `runs`."""

import contextlib
import datetime as dt
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from jobs.code_version import code_version
from jobs.context import JobContext, Night, lake_of
from jobs.errors import PmrsError, one_line
from jobs.job_config import config_dict
from jobs.lake.files import FileStore
from jobs.lake.format import ensure_format
from jobs.lake.inputs import Input
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.mongo import lease, repair, runs
from jobs.mongo.connection import MongoDatabase, connect
from jobs.mongo.connection import ensure_format as ensure_database_format
from jobs.registry import Job, jobs_named
from jobs.settings import Settings
from jobs.sources.config import Sources, load_sources
from jobs.spark_profile import SparkProfile, choose_profile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = logger(__name__)
TITLES = "jobs.registry"
"""The list of jobs, with the titles that people read: no row depends on it."""
INGESTED = ("events", "play_counts")
"""Tables whose rows grow with the sources."""


def open_run(settings: Settings, sources: Sources, date: dt.date) -> str:
    """Take the night's lease under a new run id, and complete a publish that was killed. Returns the id."""
    ensure_format(FileStore(f"{settings.lake_root}/{sources.name}"))
    with connect(settings, sources.name) as store:
        ensure_database_format(store)
        run_id = runs.new_run_id(store, date)
        try:
            lease.take_or_wait(store, date.isoformat(), run_id, settings.holder_pid, on_wait=_to_stderr)
        except PmrsError as error:
            runs.fail(store, run_id, str(error))
            raise
        runs.abandon_others(store, date, run_id)
        repair.roll_forward(store)
        return run_id


def close_run(settings: Settings, sources: Sources, run_id: str) -> tuple[str, str | None]:
    """Release the lease, and mark a run that did not publish as failed. Returns the run's status and error, if any."""
    with connect(settings, sources.name) as store:
        run = runs.get(store, run_id)
        lease.release(store, run["date"], run_id)
        if run["status"] == runs.RUNNING:
            runs.fail(store, run_id, run.get("error", "The run ended before it published; see the log of its last task."))
        ended = runs.get(store, run_id)
        return str(ended["status"]), ended.get("error")


def run_named(settings: Settings, name: str, date: dt.date, run_id: str | None = None, force: bool = False) -> str:
    """Run one job or family for a date. Without a run id, a new run is opened and closed. Returns the run id."""
    jobs = jobs_named(name)
    sources = load_sources(settings.sources_file)
    if run_id is not None:
        _run_jobs(settings, sources, jobs, date, run_id, force)
        return run_id
    own = open_run(settings, sources, date)
    try:
        _run_jobs(settings, sources, jobs, date, own, force)
        with connect(settings, sources.name) as store:
            store.runs.update_one({"_id": own, "status": runs.RUNNING}, {"$set": {"status": "partial"}})
    finally:
        close_run(settings, sources, own)
    return own


def _run_jobs(settings: Settings, sources: Sources, jobs: list[Job], date: dt.date, run_id: str, force: bool) -> None:
    with connect(settings, sources.name) as store:
        lease.take(store, date.isoformat(), run_id, settings.holder_pid)
        with lease.Heartbeat(store, date.isoformat(), run_id, _lease_lost), _recorded(store, run_id):
            runs.progress(store, run_id, jobs[0].name, "starting Spark", 0, 0)
            night = _night(settings, sources, date, run_id, jobs[0].family)
            for job in jobs:
                _run_one(store, night, job, force)
            runs.heal(store, run_id)


def _night(settings: Settings, sources: Sources, date: dt.date, run_id: str, family: str) -> Night:
    def start() -> "SparkSession":
        from jobs.spark import session

        return session(f"pmrs {family} {date}", settings, profile=profile_of_night(settings, sources, date))

    return Night(date, run_id, sources, settings, start)


def profile_of_night(settings: Settings, sources: Sources, date: dt.date) -> SparkProfile:
    """Return the Spark profile for the sources, and for the events and play counts in the lake."""
    lake = lake_of(settings, sources)
    rows = sum(manifest.rows for name in INGESTED for manifest in lake.select(name, Partitions.ALL, date.isoformat()))
    return choose_profile(settings, [source.path for source in sources.sources], rows)


@contextlib.contextmanager
def _recorded(store: MongoDatabase, run_id: str) -> Iterator[None]:
    """Write an error that leaves the context into the run's document, as one sentence."""
    try:
        yield
    except PmrsError as error:
        runs.fail_task(store, run_id, str(error))
        raise
    except Exception as error:
        with contextlib.suppress(PyMongoError):
            runs.fail_task(store, run_id, one_line(error))
        raise


def _run_one(store: MongoDatabase, night: Night, job: Job, force: bool) -> None:
    started = time.monotonic()
    ctx = JobContext(night, job.name, night.config_of(job.name), force=force, code=code_version(job.module, excluded=TITLES))
    night.on_progress = lambda step, done, total: runs.progress(store, night.run_id, job.name, step, done, total)
    night.on_progress(job.title, 0, 0)
    reused = [] if force or not job.reusable else reusable(night, ctx, job)
    if reused:
        ctx.pending = reused
    else:
        # only now: the import of torch or librosa takes seconds, which a job whose rows are reused does not spend
        job.load().run(ctx)
    manifests = ctx.commit()
    seconds = time.monotonic() - started
    runs.finished_job(store, night.run_id, job.name, seconds, [manifest.to_json() for manifest in manifests], bool(reused))
    LOG.info("job finished", job=job.name, date=str(night.date), seconds=round(seconds, 1), reused=bool(reused))


def reusable(night: Night, ctx: JobContext, job: Job) -> list[Manifest]:
    """Return manifests for this date that refer to rows of equal inputs, config and code; empty if there are none."""
    manifests = [match for part in job.writes if (match := _same_inputs(night, ctx, part)) is not None]
    return manifests if manifests and len(manifests) == len(job.writes) else []


def _same_inputs(night: Night, ctx: JobContext, part: str) -> Manifest | None:
    date = night.date.isoformat()
    for day in sorted(night.lake.dates(part), key=lambda d: (d != date, d)):
        old = night.lake.manifest(part, day)
        if old is None or old.code != ctx.code or old.config != config_dict(ctx.config):
            continue
        if all(night.input_digest(Input.parse(label)) == digest for label, digest in old.inputs.items()):
            return Manifest(**{**old.to_json(), "date": date, "run_id": night.run_id, "seconds": 0.0})
    return None


def _lease_lost(reason: str) -> None:
    """Exit at once, because rows that this process still writes are obsolete. Spark's shutdown hooks stop Spark."""
    _to_stderr(reason)
    os._exit(75)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
