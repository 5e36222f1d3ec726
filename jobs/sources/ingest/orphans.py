"""Rows that an ingest had set aside and could not take away, because it was killed: the next ingest does."""

import datetime as dt
import json
import os
from typing import Any

from jobs.lake.files import FileStore
from jobs.log import logger

LOG = logger(__name__)
STAGE = "stage"
OWNER = "owner.json"
AGE = dt.timedelta(hours=24)
"""After so long without a change, rows set aside on another machine (or before a restart of this one) are nobody's: an ingest
takes minutes, or hours, and writes all the while. Of this machine it is known whether the process lives."""


def claim(store: FileStore, folder: str) -> None:
    """Note in a folder below STAGE which process fills it. Several may at the same time, one per night."""
    store.write_json(f"{folder}/{OWNER}", _process(os.getpid()))


def sweep(store: FileStore) -> int:
    """Remove what no living process fills; returns how many folders that were."""
    gone = [folder for name in store.folders(STAGE) if _is_orphan(store, folder := f"{STAGE}/{name}")]
    for folder in gone:
        store.remove(folder)
    if gone:
        LOG.warning("removed what killed runs had set aside", folders=len(gone))
    return len(gone)


def _is_orphan(store: FileStore, folder: str) -> bool:
    owner = _owner(store, folder)
    here = _process(owner.get("pid", 0))
    if owner.get("machine") == here["machine"]:
        return owner != here
    changed = [file.changed for file in store.walk(folder)]
    return bool(changed) and max(changed) < dt.datetime.now(dt.UTC) - AGE


def _owner(store: FileStore, folder: str) -> dict[str, Any]:
    try:
        found = store.read_json(f"{folder}/{OWNER}")
    except (OSError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _process(pid: int) -> dict[str, Any]:
    """A process of this machine, so that no other one is ever taken for it; `began` is null where it does not live.

    `machine`: its start-up's id, and the namespace in which the number holds (a container's has numbers of its own).
    """
    try:
        boot = _text("/proc/sys/kernel/random/boot_id").strip()
        machine = f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return {"machine": os.urandom(8).hex(), "pid": pid, "began": None}
    try:
        # behind the name, which may hold anything: the state, and as the twentieth the ticks since the start-up
        state, *others = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        state, others = "X", []
    return {"machine": machine, "pid": pid, "began": None if state in "ZX" else others[18]}


def _text(path: str) -> str:
    with open(path) as stream:
        return stream.read()
