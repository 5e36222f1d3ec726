"""Audit the night's lists, put them into collections of their own, and make them live: `pmrs run publish --date D`.

Order: audit, collections with validators and indexes, documents, lease check, commit point
(`recommendations` repointed), sister views, `publications` document. Killed anywhere, it can be run again.
"""

import os
import signal
from dataclasses import asdict, dataclass

from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import AuditError
from jobs.lake.deletion_requests import forgotten_pairs
from jobs.lake.partitions import Partitions
from jobs.mongo import lease, repair, views
from jobs.mongo.connection import Document, Store, connect, database_name
from jobs.mongo.names import RECOMMENDATIONS, collection_name
from jobs.publish import artist_collections, collections, insert, registry_mirror
from jobs.publish.artist_audit import KINDS, Listening, audit_sisters
from jobs.publish.audit import Audited, Expected, audit
from jobs.publish.documents import described
from jobs.recommenders import list_rules


@dataclass(frozen=True)
class Config:
    """What may be published, and how long nights are kept."""

    overall: int = 20
    """N of the overall list, as the `rank` job has it: the audit asks for min(N, unheard tracks)."""
    per_genre: int = 10
    """N of each genre's list."""
    keep_users: float = 0.5
    """Least share of the live night's users that must get lists again; fewer is a broken input, not a quiet day."""
    keep_nights: int = 14
    """Published nights kept in MongoDB for rollback and comparison: two weeks."""
    tasks: int = 4
    """Tasks that insert at once; one mongod gains nothing from more."""


def run(ctx: JobContext) -> None:
    """Reads `ranked`, the artist level, `tracks`, `track_genres`, `history`, `listeners`, wishes; writes MongoDB."""
    config: Config = ctx.config  # type: ignore[assignment]
    night = ctx.night
    with connect(night.settings, night.sources.name) as store:
        repair.roll_forward(store)
        found = _audited(ctx, config, store)
        if views.live_run(store) != night.run_id:  # a task that is run again after the commit point leaves the live rows alone
            _insert(ctx, config, store)
        _commit(ctx, store, found)
        registry_mirror.mirror(store, night.models)
        repair.sweep(store, config.keep_nights, night.run_id)


def _audited(ctx: JobContext, config: Config, store: Store) -> Audited:
    ctx.night.on_progress("auditing the lists", 0, 0)
    listeners, members = ctx.read_required("eligible_users"), list_rules.list_members(ctx.read_required("track_genres"))
    history, forgotten = ctx.read_required("history"), forgotten_pairs(listeners, ctx.read("deletions", Partitions.ALL))
    never = list_rules.never_offered(history, forgotten)
    limit = F.when(F.col("list") == list_rules.OVERALL, config.overall).otherwise(config.per_genre)
    live = store.publications.find_one({"_id": views.live_run(store)}) or {}
    # an older night, backfilled, may well have fewer users than the live one; it does not replace it
    before = int(live.get("users", 0)) if live.get("date", "") <= ctx.night.date.isoformat() else 0
    found = audit(ctx.read_required("ranked"), Expected(listeners, members, never, limit, before, config.keep_users))
    level = {name: ctx.read_required(name) for name in KINDS}
    audit_sisters(level, ctx.read_required("tracks"), Listening(listeners, history, forgotten))
    return found


def _insert(ctx: JobContext, config: Config, store: Store) -> None:
    night, tracks, track_genres = ctx.night, ctx.read_required("tracks"), ctx.read_required("track_genres")
    known = described(tracks, track_genres)
    frames = {
        "classified_music": collections.music_documents(tracks, track_genres, ctx.genres.genres),
        "similar_tracks": artist_collections.similar_tracks(ctx.read_required("similar_tracks"), known),
        "similar_artists": artist_collections.similar_artists(ctx.read_required("similar_artists")),
        "artist_radio": artist_collections.artist_radio(ctx.read_required("artist_radio"), known),
        "daily_mixes": artist_collections.daily_mixes(ctx.read_required("daily_mixes"), known),
        RECOMMENDATIONS: collections.list_documents(ctx.read_required("ranked"), tracks, track_genres),
    }
    stamp = {"run_id": night.run_id, "date": night.date.isoformat()}
    for view, frame in frames.items():
        name = collection_name(view, night.run_id)
        night.on_progress(f"writing {view}", 0, 0)
        insert.prepare(store, name, collections.VALIDATORS[view], collections.INDEXES[view])
        sent = insert.insert_all(frame.coalesce(config.tasks), night.settings, database_name(night.sources.name), name, stamp)
        if (held := store[name].count_documents({})) != sent:
            raise AuditError(f"{name} holds {held} documents, {sent} were sent; the night is not published. Run it again.")


def _commit(ctx: JobContext, store: Store, found: Audited) -> None:
    night, date = ctx.night, ctx.night.date.isoformat()
    facts: Document = {"date": date, **asdict(found), "inputs": dict(ctx.inputs)}
    # kept beside the run, so that repair can write the same publications document after a kill at the commit point
    store.runs.update_one({"_id": night.run_id}, {"$set": {"publication": facts}})
    lease.assert_held(store, date, night.run_id)
    live = views.live_run(store)
    newest = live is None or (store.publications.find_one({"_id": live}) or {"date": ""})["date"] <= date
    if newest:
        _killed_at("before-commit")
        views.commit(store, night.run_id)
        _killed_at("after-commit")
        views.repoint_secondary(store, night.run_id)
    views.record(store, night.run_id, facts)


def _killed_at(point: str) -> None:
    """The fault tests' hook: PMRS_KILL_AT=before-commit or after-commit kills the process there as kill -9 would."""
    if os.environ.get("PMRS_KILL_AT") == point:
        os.kill(os.getpid(), signal.SIGKILL)
