"""Insert documents into a night's own collection, unordered; any task may repeat its inserts at any time."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pymongo import MongoClient
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern
from pyspark.sql import DataFrame

from jobs.errors import StoreError
from jobs.mongo.connection import Document, MongoDatabase
from jobs.mongo.document_digest import document_digest
from jobs.settings import Settings

BATCH = 1_000
"""Documents per insert: about 3 MB of lists, far below the 48 MB of a message."""
DUPLICATE_KEY = 11_000


def insert_all(frame: DataFrame, settings: Settings, database: str, collection: str, stamp: dict[str, Any]) -> int:
    """Insert every row of `frame` (with `_id`) plus its `digest` and the fields of `stamp`; return the number of documents.

    Tasks may run twice: an existing document counts if its digest is equal. Raises StoreError through Spark if it is
    not, or if a validator rejects a document.
    """
    uri = settings.uri  # a SecretStr: shown as stars wherever a task's closure is printed

    def per_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        client: MongoClient[Document] = MongoClient(uri.get_secret_value(), tz_aware=True)
        try:
            target = client[database].get_collection(collection, write_concern=WriteConcern("majority"))
            done = sum(_insert(target, [_stamped(row, stamp) for row in batch.to_pylist()]) for batch in batches)
        finally:
            client.close()
        yield pa.record_batch({"documents": pa.array([done], pa.int64())})

    counts = frame.mapInArrow(per_task, "documents long").toArrow()
    return int(sum(counts["documents"].to_pylist()))


def _stamped(row: Document, stamp: dict[str, Any]) -> Document:
    return {**row, "digest": document_digest(row), **stamp}


def _insert(target: Any, documents: list[Document]) -> int:
    for start in range(0, len(documents), BATCH):
        chunk = documents[start : start + BATCH]
        try:
            target.insert_many(chunk, ordered=False)
        except BulkWriteError as error:
            _accept_repeats(target, chunk, error)
    return len(documents)


def _accept_repeats(target: Any, chunk: list[Document], error: BulkWriteError) -> None:
    """Accept duplicate keys of equal documents: a task ran twice. Raises StoreError for all other errors."""
    errors = error.details["writeErrors"]
    others = [failure for failure in errors if failure["code"] != DUPLICATE_KEY]
    if others:
        raise StoreError(f"MongoDB refused {len(others)} documents of {target.name}: {others[0]['errmsg']}") from None
    sent = {chunk[failure["index"]]["_id"]: chunk[failure["index"]]["digest"] for failure in errors}
    stored = target.find({"_id": {"$in": list(sent)}}, {"digest": 1})
    differing = [document["_id"] for document in stored if document.get("digest") != sent[document["_id"]]]
    if differing:
        raise StoreError(
            f"{target.name} already holds {len(differing)} documents of other content under this run's ids; "
            "run the night again: it takes a new run id."
        ) from None


def prepare(database: MongoDatabase, name: str, validator: dict[str, Any], indexes: list[Any]) -> None:
    """Create the empty collection with validator and indexes, without documents of an earlier attempt of this run."""
    database.drop_collection(name)
    database.create_collection(name, validator={"$jsonSchema": validator})
    database[name].create_indexes(indexes)
