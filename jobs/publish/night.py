"""Audit the night's lists, insert them into collections of their own, and make them live: `pmrs run publish --date D`.

Order: audit, collections with validators and indexes, documents, lease check, commit point (`recommendations`
repointed), secondary views, `publications` document. A killed run can be repeated.
"""

import os
import signal
from dataclasses import asdict, dataclass

from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import AuditError
from jobs.lake.deletion_requests import erased_pairs
from jobs.lake.partitions import Partitions
from jobs.mongo import lease, repair, views
from jobs.mongo.connection import Document, MongoDatabase, connect, database_name
from jobs.mongo.names import RECOMMENDATIONS, collection_name
from jobs.publish import artist_collections, collections, insert, registry_mirror
from jobs.publish.artist_audit import KINDS, Listening, audit_artist_level
from jobs.publish.audit import Audited, Expected, audit
from jobs.publish.documents import track_details
from jobs.recommenders import list_rules


@dataclass(frozen=True)
class Config:
    """Limits of the audit, and how many nights are retained."""

    overall: int = 20
    """N of the overall list, as in the job `rank`: the audit requires min(N, unseen tracks) items."""
    per_genre: int = 10
    """N of each genre's list."""
    keep_users: float = 0.5
    """Minimum fraction of the live night's users with new lists; fewer mean a broken input, not a quiet day."""
    keep_nights: int = 14
    """Published nights retained in MongoDB for rollback and comparison: two weeks."""
    tasks: int = 4
    """Tasks that insert at the same time; one mongod gains nothing from more."""


def run(ctx: JobContext) -> None:
    """Read `ranked`, the artist level, catalogue, history and deletion requests; write the collections of the night."""
    config: Config = ctx.config  # type: ignore[assignment]
    night = ctx.night
    with connect(night.settings, night.sources.name) as database:
        repair.roll_forward(database)
        audited = _audit(ctx, config, database)
        # a task that is repeated after the commit point does not change the live collections
        if views.live_run(database) != night.run_id:
            _insert(ctx, config, database)
        _commit(ctx, database, audited)
        registry_mirror.mirror(database, night.models)
        repair.collect_garbage(database, config.keep_nights, night.run_id)


def _audit(ctx: JobContext, config: Config, database: MongoDatabase) -> Audited:
    ctx.night.on_progress("auditing the lists", 0, 0)
    users, members = ctx.read_required("eligible_users"), list_rules.list_members(ctx.read_required("track_genres"))
    history, erased = ctx.read_required("history"), erased_pairs(users, ctx.read("deletions", Partitions.ALL))
    excluded = list_rules.excluded_pairs(history, erased)
    limit = F.when(F.col("list") == list_rules.OVERALL, config.overall).otherwise(config.per_genre)
    live = database.publications.find_one({"_id": views.live_run(database)}) or {}
    # a backfilled night may have fewer users than the live one, which it does not replace
    live_users = int(live.get("users", 0)) if live.get("date", "") <= ctx.night.date.isoformat() else 0
    expected = Expected(users, members, excluded, limit, live_users, config.keep_users)
    audited = audit(ctx.read_required("ranked"), expected)
    tables = {name: ctx.read_required(name) for name in KINDS}
    audit_artist_level(tables, ctx.read_required("tracks"), Listening(users, history, erased))
    return audited


def _insert(ctx: JobContext, config: Config, database: MongoDatabase) -> None:
    night, tracks, track_genres = ctx.night, ctx.read_required("tracks"), ctx.read_required("track_genres")
    details = track_details(tracks, track_genres)
    frames = {
        "classified_music": collections.music_documents(tracks, track_genres, ctx.genres.genres),
        "similar_tracks": artist_collections.similar_tracks(ctx.read_required("similar_tracks"), details),
        "similar_artists": artist_collections.similar_artists(ctx.read_required("similar_artists")),
        "artist_radio": artist_collections.artist_radio(ctx.read_required("artist_radio"), details),
        "daily_mixes": artist_collections.daily_mixes(ctx.read_required("daily_mixes"), details),
        RECOMMENDATIONS: collections.list_documents(ctx.read_required("ranked"), tracks, track_genres),
    }
    stamp = {"run_id": night.run_id, "date": night.date.isoformat()}
    for view, frame in frames.items():
        name = collection_name(view, night.run_id)
        night.on_progress(f"writing {view}", 0, 0)
        insert.prepare(database, name, collections.VALIDATORS[view], collections.INDEXES[view])
        rows = frame.coalesce(config.tasks)
        sent = insert.insert_all(rows, night.settings, database_name(night.sources.name), name, stamp)
        if (stored := database[name].count_documents({})) != sent:
            raise AuditError(f"{name} holds {stored} of {sent} documents; the night is not published. Run it again.")


def _commit(ctx: JobContext, database: MongoDatabase, audited: Audited) -> None:
    night, date = ctx.night, ctx.night.date.isoformat()
    facts: Document = {"date": date, **asdict(audited), "inputs": dict(ctx.inputs)}
    # stored with the run, so that repair can write the same publications document after a kill at the commit point
    database.runs.update_one({"_id": night.run_id}, {"$set": {"publication": facts}})
    lease.assert_held(database, date, night.run_id)
    live = views.live_run(database)
    newest = live is None or (database.publications.find_one({"_id": live}) or {"date": ""})["date"] <= date
    if newest:
        _killed_at("before-commit")
        views.commit(database, night.run_id)
        _killed_at("after-commit")
        views.repoint_secondary(database, night.run_id)
    views.record(database, night.run_id, facts)


def _killed_at(point: str) -> None:
    """Kill this process at PMRS_KILL_AT (before-commit or after-commit), like kill -9: a hook of the fault tests."""
    if os.environ.get("PMRS_KILL_AT") == point:
        os.kill(os.getpid(), signal.SIGKILL)
