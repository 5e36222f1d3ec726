"""Publish a night again whose inputs have not changed: MongoDB copies the documents of the earlier run, without Spark."""

from jobs.context import JobContext
from jobs.job_config import config_dict
from jobs.lake.inputs import Input
from jobs.mongo.connection import Document, MongoDatabase
from jobs.mongo.names import collection_name


def earlier_publication(ctx: JobContext, database: MongoDatabase, views: tuple[str, ...]) -> Document | None:
    """Return the newest publication of the date whose documents this run would write again, else None.

    Its inputs, settings and code are those of this run. Its collections hold as many documents as were published; a
    publication that an erasure has amended is never copied.
    """
    complete = {"dropped": {"$ne": True}, "amending": {"$ne": True}, "amended_by": {"$exists": False}}
    of_date = {"_id": {"$ne": ctx.night.run_id}, "date": ctx.night.date.isoformat(), "code": ctx.code, **complete}
    for publication in database.publications.find(of_date).sort([("published_at", -1), ("_id", -1)]):
        inputs = publication["inputs"].items()
        if (
            publication["config"] == config_dict(ctx.config)
            and all(ctx.night.input_digest(Input.parse(label)) == digest for label, digest in inputs)
            and count_documents(database, publication["_id"], views) == publication["documents"]
        ):
            return publication
    return None


def copy_documents(database: MongoDatabase, view: str, source_run: str, target_run: str) -> None:
    """Copy a run's documents of a view into the prepared collection of another run of the same date."""
    merge = {"into": collection_name(view, target_run), "whenMatched": "fail", "whenNotMatched": "insert"}
    database[collection_name(view, source_run)].aggregate([{"$set": {"run_id": target_run}}, {"$merge": merge}])


def count_documents(database: MongoDatabase, run_id: str, views: tuple[str, ...]) -> dict[str, int]:
    """Return the number of documents of a run by view."""
    return {view: database[collection_name(view, run_id)].count_documents({}) for view in views}
