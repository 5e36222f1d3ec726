"""Views over the live night's collections. Repointing `recommendations` is the commit point."""

import datetime as dt
from typing import Any

from jobs.mongo.connection import Document, MongoDatabase
from jobs.mongo.names import RECOMMENDATIONS, ROWS_VIEW, SECONDARY_VIEWS, collection_name

ROWS_PIPELINE: list[dict[str, Any]] = [
    {"$unwind": "$items"},
    {"$replaceWith": {"$mergeObjects": [{"$unsetField": {"field": "items", "input": "$$ROOT"}}, "$items"]}},
    {"$set": {"_id": {"$concat": ["$_id", "|", {"$toString": "$rank"}]}}},
    {"$unset": "digest"},
]


def live_run(database: MongoDatabase) -> str | None:
    """Return the run that readers of `recommendations` see; None before the first publish."""
    target = _target(database, RECOMMENDATIONS)
    return target.split("__", 1)[1] if target else None


def point(database: MongoDatabase, view: str, collection: str, pipeline: list[dict[str, Any]] | None = None) -> None:
    """Make `view` show `collection`: readers see the old one or the new one. Does nothing if it already does."""
    current = _target(database, view)
    if current is None:
        database.create_collection(view, viewOn=collection, pipeline=pipeline or [])
    elif current != collection:
        database.command("collMod", view, viewOn=collection, pipeline=pipeline or [])


def commit(database: MongoDatabase, run_id: str) -> None:
    """Pass the commit point: from here on `run_id` is live, and repair rolls forward to it."""
    point(database, RECOMMENDATIONS, collection_name(RECOMMENDATIONS, run_id))


def repoint_secondary(database: MongoDatabase, run_id: str) -> None:
    """Repoint the secondary views after the commit point; it may be repeated."""
    for view in SECONDARY_VIEWS:
        point(database, view, collection_name(view, run_id))
    point(database, ROWS_VIEW, collection_name(RECOMMENDATIONS, run_id), ROWS_PIPELINE)


def record(database: MongoDatabase, run_id: str, facts: Document) -> None:
    """Write the `publications` document, the last step. A repeated task writes it again, equal but for the time."""
    now = dt.datetime.now(dt.UTC)
    database.publications.update_one({"_id": run_id}, {"$set": facts, "$setOnInsert": {"published_at": now}}, upsert=True)
    database.runs.update_one(
        {"_id": run_id}, {"$set": {"status": "published", "ended_at": now}, "$unset": {"error": ""}}
    )


def _target(database: MongoDatabase, view: str) -> str | None:
    views = list(database.list_collections(filter={"name": view, "type": "view"}))
    return str(views[0]["options"]["viewOn"]) if views else None
