"""Audit the night's lists, insert them into collections of their own, and make them live: `pmrs run publish --date D`.

Order: audit, collections with validators and indexes, documents, lease check, commit point (`recommendations`
repointed), secondary views, `publications` document. A killed run can be repeated.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import cast

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.errors import AuditError
from jobs.job_config import config_dict
from jobs.lake.deletion_requests import erased_pairs
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.mongo import lease, repair, views
from jobs.mongo.connection import Document, MongoDatabase, connect, database_name
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS, collection_name
from jobs.publish import artist_collections, collections, insert, registry_mirror
from jobs.publish.artist_audit import KINDS, Listening, audit_artist_level
from jobs.publish.audit import Audited, Expected, audit, require_enough_lists
from jobs.publish.config import PublishConfig
from jobs.publish.copy import copy_documents, count_documents, earlier_publication
from jobs.publish.documents import track_details
from jobs.recommenders import list_rules
from jobs.spark import run_parallel
from jobs.training.pretrained import network_tags

LOG = logger(__name__)
VIEWS = (RECOMMENDATIONS, *SECONDARY_VIEWS)


def run(ctx: JobContext) -> None:
    """Read `ranked`, the artist level, catalogue, history and deletion requests; write the collections of the night.

    If nothing has changed since an earlier run of the date, its audited documents are copied, without Spark.
    """
    config: PublishConfig = ctx.config  # type: ignore[assignment]
    night = ctx.night
    with connect(night.settings, night.sources.name) as database:
        repair.roll_forward(database)
        # a task that is repeated after its run was published changes no collection: readers may see them
        if database.publications.find_one({"_id": night.run_id}) is None:
            _publish(ctx, config, database)
        registry_mirror.mirror(database, night.models)
        repair.collect_garbage(database, config.keep_nights, night.run_id)


def _publish(ctx: JobContext, config: PublishConfig, database: MongoDatabase) -> None:
    earlier = None if ctx.force else earlier_publication(ctx, database, VIEWS)
    if earlier is None:
        audited = _audit(ctx, config, database)
    else:
        ctx.inputs |= earlier["inputs"]
        audited = Audited(earlier["users"], earlier["lists"], earlier["items"])
        require_enough_lists(audited, _live_users(ctx, database), config.keep_users)
    for view in VIEWS:
        name = collection_name(view, ctx.night.run_id)
        insert.prepare(database, name, collections.VALIDATORS[view], collections.INDEXES[view])
    if earlier is None:
        _insert(ctx, config, database)
    else:
        _copy(ctx, database, earlier)
    _commit(ctx, database, audited, earlier)


def _live_users(ctx: JobContext, database: MongoDatabase) -> int:
    """Return the number of users of the live night, 0 if it is of a later date: a backfilled night does not replace it."""
    live = database.publications.find_one({"_id": views.live_run(database)}) or {}
    return int(live.get("users", 0)) if live.get("date", "") <= ctx.night.date.isoformat() else 0


def _audit(ctx: JobContext, config: PublishConfig, database: MongoDatabase) -> Audited:
    ctx.night.on_progress("auditing the lists", 0, 0)
    users, members = ctx.read_required("eligible_users"), list_rules.list_members(ctx.read_required("track_genres"))
    history, erased = ctx.read_required("history"), erased_pairs(users, ctx.read("deletions", Partitions.ALL))
    excluded = list_rules.excluded_pairs(history, erased)
    lengths = ctx.config_of("rank")
    limit = list_rules.list_limit(lengths.overall, lengths.per_genre)
    expected = Expected(users, members, excluded, limit, _live_users(ctx, database), config.keep_users)
    tables = {name: ctx.read_required(name) for name in KINDS}
    ranked, tracks = ctx.read_required("ranked"), ctx.read_required("tracks")
    audited, _ = run_parallel(
        ctx.spark,
        lambda: audit(ranked, expected),
        lambda: audit_artist_level(tables, tracks, Listening(users, history, erased)),
    )
    return cast(Audited, audited)


def _insert(ctx: JobContext, config: PublishConfig, database: MongoDatabase) -> None:
    """Insert the lists in parallel with the other collections: neither keeps two cores busy."""
    tracks, track_genres = ctx.read_required("tracks"), ctx.read_required("track_genres")
    details = track_details(tracks, track_genres)
    lists = {RECOMMENDATIONS: collections.list_documents(ctx.read_required("ranked"), tracks, track_genres)}
    others = {
        "classified_music": collections.music_documents(
            tracks, track_genres, ctx.genres.genres, ctx.read("track_embeddings"), network_tags(ctx)
        ),
        "similar_tracks": artist_collections.similar_tracks(ctx.read_required("similar_tracks"), details),
        "similar_artists": artist_collections.similar_artists(ctx.read_required("similar_artists")),
        "artist_radio": artist_collections.artist_radio(ctx.read_required("artist_radio"), details),
        "daily_mixes": artist_collections.daily_mixes(ctx.read_required("daily_mixes"), details),
    }
    run_parallel(ctx.spark, *(partial(_insert_frames, ctx, config, database, frames) for frames in (lists, others)))


def _insert_frames(
    ctx: JobContext, config: PublishConfig, database: MongoDatabase, frames: Mapping[str, DataFrame]
) -> None:
    night = ctx.night
    stamp = {"run_id": night.run_id, "date": night.date.isoformat()}
    for view, frame in frames.items():
        name = collection_name(view, night.run_id)
        night.on_progress(f"writing {view}", 0, 0)
        rows = frame.coalesce(config.tasks)
        sent = insert.insert_all(rows, night.settings, database_name(night.sources.name), name, stamp)
        if (stored := database[name].count_documents({})) != sent:
            raise AuditError(f"{name} holds {stored} of {sent} documents; the night is not published. Run it again.")


def _copy(ctx: JobContext, database: MongoDatabase, earlier: Document) -> None:
    LOG.info("documents copied from an earlier run: its inputs are equal", run=earlier["_id"])
    for view in VIEWS:
        ctx.night.on_progress(f"copying {view}", 0, 0)
        copy_documents(database, view, earlier["_id"], ctx.night.run_id)
    counts = count_documents(database, ctx.night.run_id, VIEWS)
    # another run, or a person, may drop the earlier run's collections meanwhile
    if counts != earlier["documents"]:
        raise AuditError(
            f"The copy of {earlier['_id']} has {counts} documents instead of {earlier['documents']}; the night is not "
            "published. Run it again."
        )


def _commit(ctx: JobContext, database: MongoDatabase, audited: Audited, earlier: Document | None) -> None:
    night, date = ctx.night, ctx.night.date.isoformat()
    computed_by = {"inputs": dict(ctx.inputs), "config": config_dict(ctx.config), "code": ctx.code}
    documents, copied = count_documents(database, night.run_id, VIEWS), {"copied_from": earlier["_id"]} if earlier else {}
    facts: Document = {"date": date, **asdict(audited), **computed_by, "documents": documents, **copied}
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
