"""What is live: views over one night's collections. Repointing `recommendations` is the commit point."""

import datetime as dt
from typing import Any

from jobs.mongo.connection import Document, Store
from jobs.mongo.names import RECOMMENDATIONS, ROWS_VIEW, SECONDARY_VIEWS, collection_name

ROWS_PIPELINE: list[dict[str, Any]] = [
    {"$unwind": "$items"},
    {"$replaceWith": {"$mergeObjects": [{"$unsetField": {"field": "items", "input": "$$ROOT"}}, "$items"]}},
    {"$set": {"_id": {"$concat": ["$_id", "|", {"$toString": "$rank"}]}}},
    {"$unset": "digest"},
]


def live_run(store: Store) -> str | None:
    """The run that readers of `recommendations` see, or None before the first publish."""
    target = _target(store, RECOMMENDATIONS)
    return target.split("__", 1)[1] if target else None


def point(store: Store, view: str, collection: str, pipeline: list[dict[str, Any]] | None = None) -> None:
    """Make `view` show `collection`: readers see the old one or the new one. Does nothing if it already does."""
    current = _target(store, view)
    if current is None:
        store.create_collection(view, viewOn=collection, pipeline=pipeline or [])
    elif current != collection:
        store.command("collMod", view, viewOn=collection, pipeline=pipeline or [])


def commit(store: Store, run_id: str) -> None:
    """The commit point: from here on `run_id` is live, and repair rolls forward to it."""
    point(store, RECOMMENDATIONS, collection_name(RECOMMENDATIONS, run_id))


def repoint_secondary(store: Store, run_id: str) -> None:
    """The sister views after the commit point; may be repeated."""
    for view in SECONDARY_VIEWS:
        point(store, view, collection_name(view, run_id))
    point(store, ROWS_VIEW, collection_name(RECOMMENDATIONS, run_id), ROWS_PIPELINE)


def record(store: Store, run_id: str, facts: Document) -> None:
    """The `publications` document, last: the night is whole. A repeated task writes it once more, equal but for time."""
    now = dt.datetime.now(dt.UTC)
    store.publications.update_one({"_id": run_id}, {"$set": facts, "$setOnInsert": {"published_at": now}}, upsert=True)
    store.runs.update_one(
        {"_id": run_id}, {"$set": {"status": "published", "ended_at": now}, "$unset": {"error": ""}}
    )


def _target(store: Store, view: str) -> str | None:
    found = list(store.list_collections(filter={"name": view, "type": "view"}))
    return str(found[0]["options"]["viewOn"]) if found else None
