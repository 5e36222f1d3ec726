"""Rewrite partitions without the rows of erased users.

Order: write the new folders, commit their manifests, delete the old folders. So the lake is valid after a kill at any
point. A kill before the commit leaves new folders that no manifest names; after it, old ones. The next run deletes
both as orphans.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession

from jobs.erasure import lake_scan
from jobs.lake.digest import empty_digest
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.schemas import table

Clean = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Change:
    """One object that was amended: a partition, a collection, a report or a model."""

    what: str
    """`events/app_log`, `recommendations__20261114_1`, `report`, ..."""
    date: str
    """The night or received date of the object; empty if it has none."""
    removed: int
    changed: int = 0


Note = Callable[[Iterable[tuple[Change, str | None]]], None]


def by_folder_name(counted: Mapping[str, int], folders: Iterable[str]) -> dict[str, int]:
    """Convert counts by URI, as Spark names files, to counts by folder below the lake's root."""
    known = set(folders)
    counts = {}
    for uri, count in counted.items():
        steps = uri.split("/")
        tail = next(t for n in range(3, len(steps) + 1) if (t := "/".join(steps[-n:])) in known)
        counts[tail] = count
    return counts


def amend(
    spark: SparkSession,
    lake: Lake,
    run_id: str,
    named: Mapping[str, list[Manifest]],
    affected: Mapping[str, int],
    clean: Clean,
    alone: bool,
    note: Note,
) -> None:
    """Rewrite the folders of `affected` (folder -> number of affected rows), part by part.

    `named`: all manifests by folder. `clean`: maps rows with `dt` and `run` to the rows that remain, with the same
    columns. `alone`: True if no other run can be reading the old folders; they are then deleted at once. Otherwise they
    remain as orphans, which a later night deletes. `note` receives the changes of each part before any of them is
    valid, each with the folder that its manifest will name.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    for folder in sorted(affected):
        part = folder.rpartition("/dt=")[0]
        parts[part].append(folder.removeprefix(f"{part}/"))
    for part, folders in parts.items():
        written = lake.rewrite(part, clean(lake.read_with_location(spark, part, folders)), folders)
        manifests: dict[str, list[Manifest]] = {}
        changes: list[tuple[Change, str | None]] = []
        for folder_path in (f"{part}/{folder}" for folder in folders):
            new, row_digest = written.get(folder_path.removeprefix(f"{part}/")) or (
                "",
                empty_digest(table(part).read_schema),
            )
            manifests[folder_path] = [
                replace(old, folder=new, rows=row_digest.rows, digest=row_digest.digest, amended_by=run_id)
                for old in named[folder_path]
            ]
            removed = named[folder_path][0].rows - row_digest.rows
            changes.append(
                (Change(part, manifests[folder_path][0].date, removed, affected[folder_path] - removed), new)
            )
        note(changes)
        _commit(lake, manifests, alone)


def _commit(lake: Lake, fresh: Mapping[str, list[Manifest]], alone: bool) -> None:
    for old, manifests in fresh.items():
        for manifest in manifests:
            lake.commit(manifest)
        if alone:
            lake.store.remove(old)


def delete_orphans(lake: Lake, orphans: Iterable[lake_scan.Orphan], opened: dt.datetime | None) -> int:
    """Delete orphans that were begun before `opened` (None: delete nothing), and return how many remain."""
    left = 0
    for orphan in orphans:
        if opened is not None and orphan.time < opened:
            lake.store.remove(orphan.name)
        else:
            left += 1
    return left
