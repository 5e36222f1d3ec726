"""Delete staging files that a killed ingest left behind. The next ingest calls this when it starts."""

import datetime as dt
import json
import os
from typing import Any

from jobs.lake.files import FileStore
from jobs.log import logger
from jobs.process_identity import process_identity

LOG = logger(__name__)
STAGING_FOLDER = "stage"
OWNER_FILE = "owner.json"
ORPHAN_AGE = dt.timedelta(hours=24)
"""Staging files of another machine (or from before a reboot) are orphans after this time without a change.

An ingest takes minutes or hours and writes all the time. On the same machine the owner's process is checked instead."""


def claim_folder(store: FileStore, folder: str) -> None:
    """Record in a folder below STAGING_FOLDER which process fills it. Several may run at once, one per night."""
    store.write_json(f"{folder}/{OWNER_FILE}", process_identity(os.getpid()))


def remove_orphans(store: FileStore) -> int:
    """Remove the folders that no living process fills; return their number."""
    names = store.folders(STAGING_FOLDER)
    orphans = [folder for name in names if _is_orphan(store, folder := f"{STAGING_FOLDER}/{name}")]
    for folder in orphans:
        store.remove(folder)
    if orphans:
        LOG.warning("removed staging files of killed runs", folders=len(orphans))
    return len(orphans)


def _is_orphan(store: FileStore, folder: str) -> bool:
    owner = _owner(store, folder)
    process = process_identity(owner.get("pid", 0))
    if owner.get("machine") == process["machine"]:
        return owner != process
    changed = [file.changed for file in store.walk(folder)]
    return bool(changed) and max(changed) < dt.datetime.now(dt.UTC) - ORPHAN_AGE


def _owner(store: FileStore, folder: str) -> dict[str, Any]:
    try:
        owner = store.read_json(f"{folder}/{OWNER_FILE}")
    except (OSError, json.JSONDecodeError):
        return {}
    return owner if isinstance(owner, dict) else {}
