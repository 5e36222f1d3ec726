"""Erase the data that deletion requests name from everything that earlier nights wrote: `pmrs run erase --date D`.

The job runs every night after ingest. If a deletion request is new, it searches the complete lake (all dates, and all
sources that ever existed), the nights in MongoDB, reports and models. Otherwise it searches only what entered
quarantine since the last cleaning. A killed run can be repeated: the job writes CLEANED last. That file holds the
digest of the deletion requests for which everything was last cleaned. The job has no settings: every deletion request
is carried out.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from functools import partial

from jobs.context import JobContext
from jobs.erasure import erasure_log, lake_scan, published_nights, quarantine, rows
from jobs.erasure.amend import Change, amend, by_folder_name, delete_orphans
from jobs.erasure.registry import clean_checkpoints, clean_models
from jobs.erasure.reports import clean_reports
from jobs.erasure.requests import collect_requests, requesters
from jobs.lake.deletion_requests import DeletionRequests
from jobs.lake.files import File
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import TABLES
from jobs.log import logger
from jobs.mongo.connection import MongoDatabase, connect
from jobs.report_paths import report_file

LOG = logger(__name__)
CLEANED = "erasures/cleaned.json"
CLOCKS = dt.timedelta(hours=1)
"""Maximum difference between the clocks of two machines; files written since the last cleaning are selected by time."""
QUARANTINE = "quarantine"
Folders = dict[str, list[Manifest]]


def run(ctx: JobContext) -> None:
    """Read all deletion requests; amend lake, MongoDB, reports and models; write `erasures`, a row per action."""
    ctx.night.on_progress("reading deletion requests", 0, 0)
    # a complete view: the night's own lake leaves out sources that the sources file no longer names
    lake = Lake(ctx.night.lake.store.root)
    known = lake.store.read_json(CLEANED) if lake.store.exists(CLEANED) else {}
    deletions = ctx.night.lake.select("deletions", Partitions.ALL, ctx.night.date.isoformat())
    if not any(manifest.rows for manifest in deletions) or (known.get("state") == _state(ctx, lake) and not ctx.force):
        return
    requests = collect_requests(ctx.night)
    if not requests.by_hash:
        return
    began = dt.datetime.now(dt.UTC)
    with connect(ctx.night.settings, ctx.night.sources.name) as store:
        erasure_log.merge_journals(ctx, lake, of_dead_runs=_opened(store, ctx.night.run_id) is not None)
        if known.get("requests") == requests.digest and not ctx.force:
            clean = _fresh_quarantine(ctx, lake, store, requests, dt.datetime.fromisoformat(known["since"]) - CLOCKS)
        else:
            clean = _everything(ctx, lake, store, requests)
    if clean:
        lake.store.write_json(
            CLEANED,
            {
                "requests": requests.digest,
                "since": began.isoformat(),
                "run_id": ctx.night.run_id,
                "state": _state(ctx, lake),
            },
        )


def _state(ctx: JobContext, lake: Lake) -> str:
    """Return a digest of all that a clean lake depends on: requests, the songs of tracks, and the files of quarantine.

    Journals of killed runs and staging files are part of it. Read from manifests and file names, so that a night on which
    nothing has changed starts no Spark.
    """
    date = ctx.night.date.isoformat()
    tables = [ctx.night.lake.digest_of(name, Partitions.ALL, date) for name in ("deletions", "song_tracks")]
    files = [file.name for folder in (QUARANTINE, "stage") for file in lake.store.walk(folder)]
    journals = [name for name in lake.store.files(erasure_log.FOLDER) if name.startswith(erasure_log.JOURNAL)]
    return hashlib.sha256("\0".join([*tables, *sorted(files), *sorted(journals)]).encode()).hexdigest()


def _everything(ctx: JobContext, lake: Lake, store: MongoDatabase, requests: DeletionRequests) -> bool:
    """Clean everything, and return whether all is clean now.

    It is not while another run is active, because that run may not have read the deletion requests yet.
    """
    night = ctx.night
    lake.store.remove(CLEANED)
    opened = _opened(store, night.run_id)
    files = lake.store.walk()
    named = lake_scan.by_folder(lake_scan.manifests(lake.store, files))
    if unknown := lake_scan.unknown(files):
        LOG.warning("the lake has folders of unknown tables, which are not searched; check them", folders=unknown)
    steps: list[tuple[str, Callable[[], list[Change] | None]]] = [
        ("tables of users", lambda: _tables(ctx, lake, named, requests, opened is not None)),
        ("quarantine", lambda: _quarantine(ctx, lake, named, set(named), requests, opened is not None)),
        ("models", lambda: [*clean_models(lake.store, requests), *clean_checkpoints(lake.store)]),
        ("nights in MongoDB", lambda: published_nights.clean_nights(store, night.run_id, requests)),
        ("records in MongoDB", lambda: published_nights.clean_records(store, requests)),
        (
            "reports",
            lambda: clean_reports(report_file(night.settings, night.sources.name, night.date).parents[1], requests),
        ),
    ]
    for done, (what, step) in enumerate(steps):
        night.on_progress(f"erasing: {what}", done, len(steps) + 1)
        erasure_log.note(ctx, lake.store, ((change, None) for change in step() or ()))
        erasure_log.merge_journals(ctx, lake)
    night.on_progress("erasing: orphans of killed runs", len(steps), len(steps) + 1)
    left = _delete_orphans(lake, opened)
    if left or opened is None:
        LOG.warning(
            "not everything is clean yet; the next night searches everything again", left=left, other_runs=opened is None
        )
    return opened is not None and not left


def _opened(store: MongoDatabase, own: str) -> dt.datetime | None:
    """Return when this run was opened; None while another run is active.

    A folder that was begun earlier and that no manifest names is an orphan of a killed run. Nothing is deleted while
    another run is active: it may be reading old folders, or be about to commit its own.
    """
    now = dt.datetime.now(dt.UTC)
    if store.leases.find_one({"expires_at": {"$gt": now}, "run_id": {"$ne": own}}) is not None:
        return None
    started: dt.datetime = (store.runs.find_one({"_id": own}) or {}).get("started_at", now)
    return started


def _tables(ctx: JobContext, lake: Lake, named: Folders, requests: DeletionRequests, alone: bool) -> None:
    folders = sorted(f for f in named if "user_id" in _columns(f))
    if not folders:
        return
    requester_rows = requesters(ctx.night, requests).cache()
    affected = by_folder_name(
        rows.count_affected(ctx.spark, [lake.store.pattern(f) for f in folders], requester_rows), folders
    )
    note = partial(erasure_log.note, ctx, lake.store)
    amend(
        ctx.spark,
        lake,
        ctx.night.run_id,
        named,
        affected,
        lambda frame: rows.cleaned(frame, requester_rows),
        alone,
        note,
    )


def _columns(folder: str) -> list[str]:
    table = TABLES.get(lake_scan.table_name(folder))
    return list(table.schema.names) if table else []


def _fresh_quarantine(
    ctx: JobContext, lake: Lake, store: MongoDatabase, requests: DeletionRequests, since: dt.datetime
) -> bool:
    """Search what entered quarantine since the last cleaning: a log that is ingested again may name an erased user."""
    files = lake.store.walk(QUARANTINE)
    fresh = [file for file in files if lake_scan.written(file) >= since] + lake.store.walk("stage")
    if not fresh:
        return True
    named = lake_scan.by_folder(lake_scan.manifests(lake.store, _manifests_of(files, fresh)))
    # delete replaced and uncommitted folders first: the search below does not read them
    opened = _opened(store, ctx.night.run_id)
    left = delete_orphans(lake, lake_scan.orphans(fresh, named), opened)
    folders = {file.name.rpartition("/")[0] for file in fresh}
    _quarantine(ctx, lake, named, folders, requests, opened is not None)
    erasure_log.merge_journals(ctx, lake)
    return opened is not None and not left


def _manifests_of(files: list[File], fresh: list[File]) -> list[File]:
    """Return the manifests of the parts that have fresh files; a manifest of another date may name such a folder."""
    parts = {file.name.partition("/dt=")[0] for file in fresh}
    return [file for file in files if file.name.partition("/dt=")[0] in parts]


def _quarantine(
    ctx: JobContext, lake: Lake, named: Folders, only: set[str], requests: DeletionRequests, alone: bool
) -> None:
    folders = sorted(f for f in set(named) & only if lake_scan.table_name(f) == QUARANTINE)
    if not folders:
        return
    spaces = tuple(sorted({source.namespace for source in ctx.night.sources.sources}))
    affected = by_folder_name(
        quarantine.count_affected(ctx.spark, [lake.store.pattern(f) for f in folders], requests, spaces), folders
    )
    if affected:
        lake.store.remove(CLEANED)  # after a kill from here on, the next run searches everything
    redact = partial(quarantine.redacted, requests=requests, namespaces=spaces)
    amend(ctx.spark, lake, ctx.night.run_id, named, affected, redact, alone, partial(erasure_log.note, ctx, lake.store))


def _delete_orphans(lake: Lake, opened: dt.datetime | None) -> int:
    """List the lake again and delete orphans: this job has already removed the folders that it replaced."""
    files = lake.store.walk()
    named = lake_scan.by_folder(lake_scan.manifests(lake.store, files))
    return delete_orphans(lake, lake_scan.orphans(files, named), opened)
