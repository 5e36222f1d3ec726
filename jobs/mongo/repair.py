"""Repair after a killed publish: roll forward from the commit point, and drop collections that never reached it."""

import re

from jobs.mongo import views
from jobs.mongo.connection import MongoDatabase
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS


def roll_forward(database: MongoDatabase) -> str | None:
    """Repoint secondary views to the live run, and write its `publications` document. Returns the live run, if any."""
    run_id = views.live_run(database)
    if run_id is None:
        return None
    views.repoint_secondary(database, run_id)
    if database.publications.find_one({"_id": run_id}) is None:
        facts = database.runs.find_one({"_id": run_id}) or {}
        views.record(database, run_id, facts.get("publication", {"date": _date_of(run_id)}))
    return run_id


def _date_of(run_id: str) -> str:
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"


def collect_garbage(database: MongoDatabase, keep: int, own_run: str) -> list[str]:
    """Drop the collections of old and of unpublished nights, and return their names.

    These runs stay: the live one, `own_run`, runs that hold a lease, the newest run of each of the newest `keep` dates,
    and the two runs that were published last.
    """
    retained = {own_run, views.live_run(database) or own_run}
    newest: dict[str, str] = {}
    for publication in database.publications.find({"dropped": {"$ne": True}}).sort([("date", -1), ("published_at", -1)]):
        newest.setdefault(publication["date"], publication["_id"])
    retained |= {newest[date] for date in sorted(newest, reverse=True)[:keep]}
    latest = database.publications.find({"dropped": {"$ne": True}}, {"_id": 1}).sort("published_at", -1).limit(2)
    retained |= {publication["_id"] for publication in latest}
    retained |= {lease["run_id"] for lease in database.leases.find({}, {"run_id": 1})}
    pattern = re.compile(rf"^({'|'.join((RECOMMENDATIONS, *SECONDARY_VIEWS))})__(.+)$")
    dropped = []
    for name in database.list_collection_names(filter={"type": "collection"}):
        match = pattern.match(name)
        if match and match.group(2) not in retained:
            database.drop_collection(name)
            dropped.append(name)
    gone = [p["_id"] for p in database.publications.find({"_id": {"$nin": sorted(retained)}}, {"_id": 1})]
    database.publications.update_many({"_id": {"$in": gone}}, {"$set": {"dropped": True}})
    return dropped
