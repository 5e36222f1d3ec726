"""Amend the nights in MongoDB, live or not: delete documents of erased users and list items on erased tracks."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from pymongo import DeleteMany, DeleteOne, ReplaceOne

from jobs.erasure.amend import Change
from jobs.erasure.tokens import names_erased_user
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests
from jobs.mongo.connection import Document, MongoDatabase
from jobs.mongo.document_digest import document_digest
from jobs.mongo.names import RECOMMENDATIONS, collection_name
from jobs.recommenders.reasons import BY, without_names

BATCH = 200
"""Users whose documents one command amends: some thousand lists, a few megabytes."""
Edit = DeleteMany | DeleteOne | ReplaceOne[Document]
REDACTED = "(erased)"
"""Replaces a sentence that named an erased user."""


def clean_nights(store: MongoDatabase, run_id: str, requests: DeletionRequests) -> list[Change]:
    """Amend the collections of every night, and update the counts of their publications."""
    names = sorted(name for name in _collections(store) if "__" in name)
    changes = [_clean(store, name, name.partition("__")[2], requests) for name in names]
    for published in list(store.publications.find({"amending": True}, {"_id": 1})):
        recount(store, published["_id"], run_id)
    return [change for change in changes if change.removed or change.changed]


def _collections(store: MongoDatabase) -> list[str]:
    names = store.list_collection_names(filter={"type": "collection"})
    return [name for name in names if not name.startswith("system.")]


def _requesters_in(store: MongoDatabase, name: str, requests: DeletionRequests) -> Iterator[tuple[str, DeletionRequest]]:
    """Yield the users with documents in a collection who have a deletion request; ids are streamed and hashed here."""
    users = store[name].aggregate([{"$match": {"user_id": {"$type": "string"}}}, {"$group": {"_id": "$user_id"}}])
    for row in users:
        request = requests.of(row["_id"])
        if request is not None:
            yield row["_id"], request


def _clean(store: MongoDatabase, name: str, night: str, requests: DeletionRequests) -> Change:
    removed = changed = 0
    titles = _names(store, night, requests) if requests.pairs else {}
    users = _requesters_in(store, name, requests)
    while chunk := list(islice(users, BATCH)):
        edits = [edit for user, request in chunk for edit in _edits(store, name, user, request, titles)]
        if edits:
            # recorded before any deletion: a run after a kill finds nothing to delete, but must count again
            store.publications.update_one({"_id": night}, {"$set": {"amending": True}})
            done = store[name].bulk_write(edits, ordered=False)
            removed, changed = removed + done.deleted_count, changed + done.modified_count
    return Change(name, _date(store, night), removed, changed)


def _edits(store: MongoDatabase, name: str, user: str, request: DeletionRequest, titles: Mapping[str, set[str]]) -> Iterator[Edit]:
    """Yield the edits of one user's documents."""
    if request.full_erasure:
        yield DeleteMany({"user_id": user})
        return
    names = {title for track in request.tracks for title in titles[track]}
    for document in store[name].find({"user_id": user}):
        cleaned = without_tracks(document, request.tracks, names)
        if cleaned is None:
            yield DeleteOne({"_id": document["_id"]})
        elif cleaned != document:
            yield ReplaceOne({"_id": document["_id"]}, cleaned)


def _names(store: MongoDatabase, night: str, requests: DeletionRequests) -> dict[str, set[str]]:
    """Return the names that this night's reasons use for the tracks, from the night's own titles."""
    names = {track: {track} for track in requests.tracks}
    documents = store[collection_name("classified_music", night)].find({"_id": {"$in": requests.tracks}}, {"title": 1, "artist": 1})
    for track in documents:
        title = track.get("title") or track["_id"]
        names[track["_id"]].add(title + BY + track["artist"] if track.get("artist") else title)
    return names


def without_tracks(document: Document, tracks: frozenset[str], names: set[str]) -> Document | None:
    """Return a user's document without items on `tracks` and without reasons that mention `names`; ranks close up.

    None: no item is left, or the document is named after an artist of one of the tracks. A document that names none of
    them is returned unchanged, including its digest.
    """
    anchor = document.get("anchor_artist")
    if document.get("track_id") in tracks or (anchor and any(name.endswith(BY + anchor) for name in names)):
        return None
    old: list[dict[str, Any]] = document.get("items", [])
    remaining = [item for item in old if item.get("track_id") not in tracks]
    items = [
        item | {"rank": rank} | {key: without_names(item[key], names) for key in ("why",) if key in item}
        for rank, item in enumerate(remaining, 1)
    ]
    if items == old:
        return document
    cleaned = {**document, "items": items}
    return {**cleaned, "digest": document_digest(cleaned)} if items else None


def recount(store: MongoDatabase, night: str, run_id: str) -> None:
    """Count users, lists and items of an amended night again; the next audit and the repair use these numbers."""
    lists = store[collection_name(RECOMMENDATIONS, night)]
    sums = {"_id": None, "lists": {"$sum": 1}, "items": {"$sum": {"$size": "$items"}}}
    totals = next(iter(lists.aggregate([{"$group": sums}])), {"lists": 0, "items": 0})
    users = next(iter(lists.aggregate([{"$group": {"_id": "$user_id"}}, {"$count": "users"}])), {"users": 0})
    facts = {"users": users["users"], "lists": totals["lists"], "items": totals["items"], "amended_by": run_id}
    update = {f"publication.{key}": value for key, value in facts.items()}
    store.runs.update_one({"_id": night, "publication": {"$exists": True}}, {"$set": update})
    store.publications.update_one({"_id": night}, {"$set": facts, "$unset": {"amending": ""}})


def _date(store: MongoDatabase, night: str) -> str:
    return str((store.runs.find_one({"_id": night}, {"date": 1}) or {}).get("date", ""))


def clean_records(store: MongoDatabase, requests: DeletionRequests) -> list[Change]:
    """Amend records that belong to no night: sentences and documents that name an erased user."""
    names = names_erased_user(requests, ())
    changes = []
    for name in sorted(n for n in _collections(store) if "__" not in n):
        changed = 0
        for document in store[name].find():
            cleaned = scrubbed(document, names, requests)
            if cleaned is None:
                store[name].delete_one({"_id": document["_id"]})
            elif cleaned != document:
                store[name].replace_one({"_id": document["_id"]}, cleaned)
            changed += cleaned != document
        if changed:
            changes.append(Change(name, "", 0, changed))
    return changes


def scrubbed(value: Any, names: Callable[[bytes], bool], requests: DeletionRequests) -> Any:
    """Return `value` without records of an erased user (None), and with sentences that name one replaced by REDACTED.

    A record is of an erased user if its `user_id` is. Only texts with a space are sentences: the project's own ids,
    dates and digests never name a user.
    """
    if isinstance(value, dict):
        request = requests.of(value["user_id"]) if isinstance(value.get("user_id"), str) else None
        if request is not None and request.full_erasure:
            return None
        return {key: scrubbed(inner, names, requests) for key, inner in value.items()}
    if isinstance(value, list):
        return [scrubbed(inner, names, requests) for inner in value]
    return REDACTED if isinstance(value, str) and " " in value and names(value.encode("utf-8", "replace")) else value
