"""Leases in MongoDB: two runs of one date exclude each other. A lease is renewed while its holder's process runs."""

import datetime as dt
import threading
import time
from collections.abc import Callable

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from jobs.errors import LeaseError
from jobs.mongo.connection import Document, MongoDatabase
from jobs.process_identity import has_ended, process_identity

TTL = dt.timedelta(seconds=90)
"""Age without renewal from which a lease is free. Longer than the gap between two tasks of a night (a JVM's start)."""
HEARTBEAT_S = 5.0


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def take(database: MongoDatabase, date: str, run_id: str, holder_pid: int = 0) -> None:
    """Take the date's lease for a run, or renew it if the run holds it. Raises LeaseError if another run does."""
    fields = {"run_id": run_id, "holder": process_identity(holder_pid), "expires_at": _now() + TTL}
    free = {"_id": date, "$or": [{"run_id": run_id}, {"expires_at": {"$lt": _now()}}]}
    try:
        database.leases.find_one_and_update(free, {"$set": fields}, upsert=True, return_document=ReturnDocument.AFTER)
    except DuplicateKeyError:
        raise LeaseError(f"Another run has the lease of the night of {date}; wait for it, or stop it first.") from None


def take_or_wait(
    database: MongoDatabase, date: str, run_id: str, holder_pid: int = 0, on_wait: Callable[[str], None] = print
) -> None:
    """Take the lease like `take`, but wait until the lease of a killed holder expires.

    A lease whose process ran on this machine and has ended is deleted at once. Raises LeaseError as soon as the lease is renewed.
    """
    first = database.leases.find_one({"_id": date})
    if first is not None and _process_has_ended(first):
        database.leases.delete_one({"_id": date, "run_id": first["run_id"]})
    deadline = time.monotonic() + TTL.total_seconds() + 5
    announced = False
    while True:
        try:
            take(database, date, run_id, holder_pid)
            return
        except LeaseError:
            lease = database.leases.find_one({"_id": date})
            if lease is not None and (first is None or lease["expires_at"] != first["expires_at"]):
                raise
            if time.monotonic() > deadline:
                raise
        if not announced:
            on_wait(
                f"Another run renewed the lease of {date} less than {TTL.seconds} s ago; waiting for its end or renewal."
            )
            announced = True
        time.sleep(1)


def _process_has_ended(lease: Document) -> bool:
    holder = lease.get("holder") or {}
    return bool(holder.get("pid")) and has_ended(holder)


def release(database: MongoDatabase, date: str, run_id: str) -> None:
    """Release the lease; does nothing if another run has taken it in the meantime."""
    database.leases.delete_one({"_id": date, "run_id": run_id})


def assert_held(database: MongoDatabase, date: str, run_id: str) -> None:
    """Raise LeaseError unless this run holds the lease now; called right before a commit point."""
    renewed = database.leases.find_one_and_update(
        {"_id": date, "run_id": run_id}, {"$set": {"expires_at": _now() + TTL}}
    )
    if renewed is None:
        raise LeaseError(f"Run {run_id} has lost the lease of the night of {date} to another run; it stops without publishing.")


class Heartbeat:
    """Renews a lease from a thread while a job computes. A lost lease ends the process: its rows are obsolete."""

    def __init__(self, database: MongoDatabase, date: str, run_id: str, lost: Callable[[str], None]) -> None:
        """`lost` is called with the reason if the lease is lost."""
        self._beat = (database, date, run_id)
        self._lost = lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(timeout=HEARTBEAT_S)

    def _run(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                assert_held(*self._beat)
            except LeaseError as error:
                self._lost(str(error))
                return
            except PyMongoError:
                # a short outage of MongoDB must not end the job; if it lasts, the lease expires by itself
                continue
