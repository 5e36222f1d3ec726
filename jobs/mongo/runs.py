"""The `runs` collection: one document per execution of a night, from its start to its end."""

import datetime as dt
from typing import Any

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from jobs.errors import StoreError
from jobs.mongo.connection import Document, MongoDatabase

RUNNING, PUBLISHED, FAILED = "running", "published", "failed"
MAX_INPUTS = 40
"""Maximum number of a manifest's inputs that are copied into the run."""


def new_run_id(database: MongoDatabase, date: dt.date) -> str:
    """Insert a run document under the next free id of the date, such as 20261114_1, and return the id."""
    number = database.runs.count_documents({"date": date.isoformat()}) + 1
    while True:
        run_id = f"{date:%Y%m%d}_{number}"
        try:
            started = dt.datetime.now(dt.UTC)
            database.runs.insert_one({"_id": run_id, "date": date.isoformat(), "status": RUNNING, "started_at": started})
            return run_id
        except DuplicateKeyError:
            number += 1


def get(database: MongoDatabase, run_id: str) -> Document:
    """Return a run's document. Raises StoreError for an unknown id."""
    document = database.runs.find_one({"_id": run_id})
    if document is None:
        raise StoreError(f"There is no run {run_id}; `pmrs runs` lists them.")
    return document


def abandon_others(database: MongoDatabase, date: dt.date, run_id: str) -> None:
    """Mark other runs of this date that are still `running` as failed: their leases have expired."""
    database.runs.update_many(
        {"date": date.isoformat(), "status": RUNNING, "_id": {"$ne": run_id}},
        {"$set": {"status": FAILED, "error": "The process ended without reporting a status (killed, or its machine was lost)."}},
    )


def progress(database: MongoDatabase, run_id: str, job: str, step: str, done: int, total: int) -> None:
    """Record the progress of the run."""
    database.runs.update_one({"_id": run_id}, {"$set": {"job": job, "step": step, "done": done, "total": total}})


def finished_job(
    database: MongoDatabase, run_id: str, job: str, seconds: float, manifests: list[dict[str, Any]], reused: bool
) -> None:
    """Add a job's manifests, as JSON, and its time to the run."""
    facts = {"seconds": round(seconds, 1), "reused": reused, "manifests": [_compact(m) for m in manifests]}
    database.runs.update_one({"_id": run_id}, {"$set": {f"jobs.{job}": facts}})


def _compact(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest without its inputs if they are many (one per source file); the lake has all of them."""
    if (count := len(manifest["inputs"])) > MAX_INPUTS:
        return {**manifest, "inputs": {"": f"{count} inputs; see the manifest in the lake"}}
    return manifest


def fail(database: MongoDatabase, run_id: str, error: str) -> None:
    """Record why a run failed; a published run stays published (its report may have failed afterwards)."""
    database.runs.update_one({"_id": run_id}, {"$set": {"error": error}})
    database.runs.update_one(
        {"_id": run_id, "status": RUNNING}, {"$set": {"status": FAILED, "ended_at": dt.datetime.now(dt.UTC)}}
    )


def listing(database: MongoDatabase) -> list[Document]:
    """Return all runs, newest date and run first."""
    return list(database.runs.find().sort([("date", DESCENDING), ("started_at", DESCENDING), ("_id", DESCENDING)]))


def fail_task(database: MongoDatabase, run_id: str, error: str) -> None:
    """Record a task's error without ending the run: the scheduler may repeat the task."""
    database.runs.update_one({"_id": run_id}, {"$set": {"error": error}})


def heal(database: MongoDatabase, run_id: str) -> None:
    """Remove the error of a task that has succeeded on a later attempt."""
    database.runs.update_one({"_id": run_id}, {"$unset": {"error": ""}})
