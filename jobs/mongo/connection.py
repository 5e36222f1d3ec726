"""Connect to MongoDB. A URI is never printed with its password."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.uri_parser import parse_uri

from jobs.errors import StoreError
from jobs.settings import Settings

Document = dict[str, Any]
MongoDatabase = Database[Document]


FORMAT = 2
"""Format number of a database; see lake/format.py. 2: fields of the published documents in standard terms."""


def ensure_format(database: MongoDatabase) -> None:
    """Write the format number into a new database. Raises StoreError, with the remedy, for one of another format."""
    require_format(database)
    database.meta.update_one({"_id": "format"}, {"$set": {"number": FORMAT}}, upsert=True)


def require_format(database: MongoDatabase) -> None:
    """Raise StoreError, with the remedy, if the database has another format; a new database has none."""
    document = database.meta.find_one({"_id": "format"})
    without = FORMAT if database.runs.find_one({}) is None else 1
    number = without if document is None else document["number"]
    if number != FORMAT:
        raise StoreError(
            f"The MongoDB database {database.name} has format {number}; this version reads and writes format {FORMAT}. Drop the "
            "database, or rename it by another `name` in the sources file, and run the nights again."
        )


def database_name(sources_name: str) -> str:
    """Return the name of the database of one sources file; every sources file has its own."""
    return f"pmrs_{sources_name}"


@contextlib.contextmanager
def connect(settings: Settings, sources_name: str) -> Iterator[MongoDatabase]:
    """Connect, ping and yield the database. Raises StoreError, one sentence without the password, if that fails."""
    client = _client(settings)
    try:
        client.admin.command("ping")
        yield client[database_name(sources_name)]
    except ServerSelectionTimeoutError:
        raise StoreError(
            f"MongoDB does not answer at {address(settings)} within {settings.mongo_timeout_ms / 1000:g} s; "
            "start it (`make mongo` for the embedded one) or correct PMRS_MONGO_URI."
        ) from None
    except OperationFailure as error:
        if error.code in {13, 18}:
            reason = (error.details or {}).get("errmsg", "no reason given")
            raise StoreError(f"MongoDB at {address(settings)} refuses this user: {reason}.") from None
        raise
    finally:
        client.close()


def _client(settings: Settings) -> MongoClient[Document]:
    try:
        return MongoClient(
            settings.uri.get_secret_value(), serverSelectionTimeoutMS=settings.mongo_timeout_ms, tz_aware=True
        )
    except (ConfigurationError, InvalidURI, PyMongoError, ValueError):
        raise StoreError(f"The MongoDB URI in {settings.uri_source} is not valid; see PMRS_MONGO_URI.") from None


def address(settings: Settings) -> str:
    """Return the URI without user and password, for printing."""
    try:
        hosts = parse_uri(settings.uri.get_secret_value(), validate=False)["nodelist"]
    except PyMongoError:
        return "(an invalid URI)"
    return "mongodb://" + ",".join(f"{host}:{port}" for host, port in hosts)
