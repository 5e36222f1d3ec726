"""After a publish that was killed: roll forward from the commit point, and sweep away what never reached it."""

import re

from jobs.mongo import views
from jobs.mongo.connection import Store
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS


def roll_forward(store: Store) -> str | None:
    """Bring sister views and the `publications` document up to the live view. Returns the live run, if any."""
    run_id = views.live_run(store)
    if run_id is None:
        return None
    views.repoint_secondary(store, run_id)
    if store.publications.find_one({"_id": run_id}) is None:
        facts = store.runs.find_one({"_id": run_id}) or {}
        views.record(store, run_id, facts.get("publication", {"date": _date_of(run_id)}))
    return run_id


def _date_of(run_id: str) -> str:
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"


def sweep(store: Store, keep: int, own_run: str) -> list[str]:
    """Drop collections of nights that never were published, and of older nights. Returns their names.

    A night whose run still goes on (its lease is held), the live one and `own_run` stay,
    and with them the newest run of each of the newest `keep` dates, and the run that was published before this one.
    """
    kept = {own_run, views.live_run(store) or own_run}
    newest: dict[str, str] = {}
    for found in store.publications.find({"dropped": {"$ne": True}}).sort([("date", -1), ("published_at", -1)]):
        newest.setdefault(found["date"], found["_id"])
    kept |= {newest[date] for date in sorted(newest, reverse=True)[:keep]}
    latest = store.publications.find({"dropped": {"$ne": True}}, {"_id": 1}).sort("published_at", -1).limit(2)
    kept |= {found["_id"] for found in latest}
    kept |= {lease["run_id"] for lease in store.leases.find({}, {"run_id": 1})}
    pattern = re.compile(rf"^({'|'.join((RECOMMENDATIONS, *SECONDARY_VIEWS))})__(.+)$")
    dropped = []
    for name in store.list_collection_names(filter={"type": "collection"}):
        match = pattern.match(name)
        if match and match.group(2) not in kept:
            store.drop_collection(name)
            dropped.append(name)
    gone = [p["_id"] for p in store.publications.find({"_id": {"$nin": sorted(kept)}}, {"_id": 1})]
    store.publications.update_many({"_id": {"$in": gone}}, {"$set": {"dropped": True}})
    return dropped
