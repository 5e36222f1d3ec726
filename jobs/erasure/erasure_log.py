"""Write table `erasures`: each change is recorded before it is valid, so that a kill loses no record."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.erasure.amend import Change
from jobs.lake.files import FileStore
from jobs.lake.lake import Lake
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.log import logger

LOG = logger(__name__)
FOLDER = "erasures"
JOURNAL = "journal-"


def note(ctx: JobContext, store: FileStore, changes: Iterable[tuple[Change, str | None]]) -> None:
    """Add changes to the run's journal, each with the folder that its manifest will name.

    Folder None: the change is done. Otherwise it is valid once that manifest is committed.
    """
    head = {"night": ctx.night.date.isoformat(), "run_id": ctx.night.run_id, "at": dt.datetime.now(dt.UTC).isoformat()}
    fresh = [asdict(change) | {"folder": folder} | head for change, folder in changes]
    if fresh:
        name = f"{FOLDER}/{JOURNAL}{ctx.night.run_id}.json"
        store.write_json(name, [*_noted(store, name), *fresh])


def merge_journals(ctx: JobContext, lake: Lake, of_dead_runs: bool = False) -> None:
    """Move journals to table `erasures`, each under its own night: this run's, and optionally those of killed runs."""
    journal = f"{JOURNAL}{ctx.night.run_id}.json"
    names = [name for name in lake.store.files(FOLDER) if name == journal or (of_dead_runs and name.startswith(JOURNAL))]
    done = [entry for name in names for entry in _noted(lake.store, f"{FOLDER}/{name}") if _is_valid(lake, entry)]
    for night in sorted({entry["night"] for entry in done}):
        _write(ctx, lake, night, [entry for entry in done if entry["night"] == night])
    for name in names:
        lake.store.remove(f"{FOLDER}/{name}")


def _noted(store: FileStore, name: str) -> list[dict[str, Any]]:
    return list(store.read_json(name)) if store.exists(name) else []


def _is_valid(lake: Lake, entry: dict[str, Any]) -> bool:
    """Return whether the change is done: whether its announced manifest was committed before the run was killed."""
    if entry["folder"] is None:
        return True
    manifest = lake.manifest(entry["what"], entry["date"])
    return manifest is not None and (manifest.folder, manifest.amended_by) == (entry["folder"], entry["run_id"])


def _write(ctx: JobContext, lake: Lake, night: str, entries: list[dict[str, Any]]) -> None:
    schema = table("erasures").schema
    rows = [{name: entry[name] for name in schema.names} | {"at": dt.datetime.fromisoformat(entry["at"])} for entry in entries]
    fresh = ctx.spark.createDataFrame(rows, schema)
    # after a kill between this commit and the removal of the journal, the next run writes the same rows again
    known: DataFrame = lake.read(ctx.spark, "erasures", Partitions.DATE, night)
    former = lake.manifest("erasures", night)
    ctx.write("erasures", known.unionByName(fresh).distinct().coalesce(1), on=dt.date.fromisoformat(night))
    ctx.commit()
    del ctx.pending[:-1]
    if former is not None and former.folder and former.run_id == ctx.night.run_id:
        # no other run reads it yet, and a folder that no manifest names would count as not clean
        lake.store.remove(f"{FOLDER}/{former.folder}")
    removed, changed = (sum(entry[name] for entry in entries) for name in ("removed", "changed"))
    LOG.info("erased", night=night, objects=len(entries), removed=removed, changed=changed)
