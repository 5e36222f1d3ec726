"""Erasure in MongoDB: when files may be deleted, and which documents change."""

import datetime as dt
from typing import Any

from jobs.erasure.erase import _opened
from jobs.erasure.published_nights import clean_nights
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests, sha256
from jobs.mongo import lease, repair, runs, views
from jobs.mongo.connection import MongoDatabase
from jobs.publish.collections import INDEXES, VALIDATORS
from jobs.publish.insert import prepare

NIGHT = dt.date(2026, 11, 14)


def minutes_ago(minutes: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)


def test_no_opening_time_while_another_run_holds_a_lease(mongo: MongoDatabase) -> None:
    own = runs.new_run_id(mongo, NIGHT)
    lease.take(mongo, NIGHT.isoformat(), own)
    opened = _opened(mongo, own)
    assert opened is not None
    assert minutes_ago(1) < opened <= dt.datetime.now(dt.UTC)
    other = runs.new_run_id(mongo, dt.date(2026, 11, 13))
    lease.take(mongo, "2026-11-13", other)
    assert _opened(mongo, own) is None
    mongo.leases.update_one({"run_id": other}, {"$set": {"expires_at": minutes_ago(1)}})
    assert _opened(mongo, own) == opened


def test_all_published_nights_are_amended_and_a_repair_keeps_their_counts(mongo: MongoDatabase) -> None:
    requests = DeletionRequests({sha256("anna"): DeletionRequest(True), sha256("berta"): DeletionRequest(False, frozenset({"T1"}))})
    for run_id in ("20261113_1", "20261114_1"):
        _publish(mongo, run_id)
    _mix(mongo["daily_mixes__20261113_1"], "anna", "Rock", None, "played by people who play Two")
    _mix(mongo["daily_mixes__20261113_1"], "berta", "Rock", None, "sounds like One by Band")
    _mix(mongo["daily_mixes__20261113_1"], "berta", "Band", "Band", "similar in genre to Two")
    _mix(mongo["daily_mixes__20261113_1"], "berta", "Other", "Other", "similar in genre to Two")
    views.commit(mongo, "20261114_1")
    changes = {change.what: (change.removed, change.changed) for change in clean_nights(mongo, "r", requests)}
    assert changes["daily_mixes__20261113_1"] == (2, 1)
    reasons = {mix["list"]: mix["items"][0]["why"] for mix in mongo["daily_mixes__20261113_1"].find()}
    assert reasons == {"Rock": "similar to what you like", "Other": "similar in genre to Two"}
    assert changes["recommendations__20261113_1"] == changes["recommendations__20261114_1"] == (2, 1)
    mongo.publications.delete_one({"_id": "20261114_1"})
    repair.roll_forward(mongo)
    for run_id in ("20261113_1", "20261114_1"):
        publication = mongo.publications.find_one({"_id": run_id})
        assert publication is not None
        assert (publication["users"], publication["lists"], publication["items"], publication["amended_by"]) == (1, 1, 1, "r")
    items = mongo["recommendations__20261113_1"].find_one({"user_id": "berta"})["items"]  # type: ignore[index]
    remaining = [(item["rank"], item["track_id"], item["why"]) for item in items]
    assert remaining == [(1, "T2", "played by people with a similar history")]
    assert clean_nights(mongo, "again", requests) == []
    assert mongo.publications.count_documents({"amended_by": "again"}) == 0


def _mix(collection: Any, user: str, theme: str, anchor_artist: str | None, why: str) -> None:
    items = [{"rank": 1, "track_id": "T2", "score": 0.5, "why": why}]
    document = {"_id": f"{user}|{theme}", "user_id": user, "list": theme, "mix": 1, "anchor_artist": anchor_artist, "items": items}
    collection.insert_one({**document, "run_id": "20261113_1", "date": "2026-11-13", "digest": "d"})


def _publish(store: MongoDatabase, run_id: str) -> None:
    date = repair._date_of(run_id)
    for view in VALIDATORS:
        prepare(store, f"{view}__{run_id}", VALIDATORS[view], INDEXES[view])
    scores = {"score": 0.5, "source": "pmrs_cf", "tier": "personal"}
    reasons = {"T1": "popular", "T2": "because you played One by Band"}
    items = [{"rank": rank, "track_id": track, "why": why, **scores} for rank, (track, why) in enumerate(reasons.items(), 1)]
    stamp = {"run_id": run_id, "date": date, "digest": "d"}
    music = {"_id": "T1", "track_id": "T1", "title": "One", "artist": "Band", "confidence": 0.0, "source": "none"}
    store[f"classified_music__{run_id}"].insert_one({**music, **stamp})
    # anna has two lists, one of them with one item; berta's list has T1 as an item and as a reason
    lists = [("anna", "overall", items), ("anna", "Rock", items[:1]), ("berta", "overall", items)]
    store[f"recommendations__{run_id}"].insert_many(
        [{"_id": f"{user}|{name}", "user_id": user, "list": name, "items": some, **stamp} for user, name, some in lists]
    )
    facts = {"date": date, "users": 2, "lists": 3, "items": 5}
    store.runs.insert_one({"_id": run_id, "date": date, "status": "published", "publication": facts})
    views.record(store, run_id, facts)
