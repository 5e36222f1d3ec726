"""Everything that has no dates of its own: catalogue, labels, counts, profiles, audio files, wishes to be forgotten.

`pmrs run snapshots --date D`. Each is read whole each night into the night's partition; play counts into their as_of.
"""

from dataclasses import dataclass
from functools import reduce

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.forget.known import with_songs
from jobs.forget.wishes import without_forgotten
from jobs.lake.schemas import table
from jobs.sources.accounts import account, quarantine_rows
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS


@dataclass(frozen=True)
class Config:
    """Nothing to choose: the sources file decides."""


def build_snapshot(rows: DataFrame, name: str) -> DataFrame:
    """One row per key of the table: of repeats the least by content, whole, so that file order does not matter."""
    key = list(table(name).key)
    others = [c for c in table(name).schema.names if c not in key]
    if not others:
        return rows.select(*key).distinct()
    kept = rows.groupBy(*key).agg(F.min(F.struct(*others)).alias("kept"))
    return kept.select(*key, *[F.col(f"kept.{c}").alias(c) for c in others])


def ingest(ctx: JobContext, source: Source) -> tuple[DataFrame, DataFrame]:
    """Write one source's rows; returns its quarantine rows and counts, which are written for all sources together."""
    handler = FORMATS[source.format]
    files = handler.files(source)
    counted = handler.count(ctx.spark, source, files)
    parsed = handler.parse(ctx.spark, source, files)
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    counts = account(source, counted, parsed, table(handler.table).key)
    rows = build_snapshot(parsed.rows, handler.table)
    wishes = with_songs(ctx.night, ctx.read_with_pending("deletions", "all"))
    kept = without_forgotten(rows, wishes) if "user_id" in rows.columns else rows
    # counts belong to their as_of; everything else is read by the night as it is now
    ctx.write(f"{handler.table}/{source.name}", kept, on=source.as_of if handler.table == "play_counts" else None)
    return quarantine_rows(parsed, source), counts


def run(ctx: JobContext) -> None:
    """Reads every snapshot source, wishes first; writes a part per source, and quarantine and counts of all of them."""
    night = ctx.night
    snapshots = [source for source in night.sources.sources if not FORMATS[source.format].dated]
    wishes = [source for source in snapshots if FORMATS[source.format].table == "deletions"]
    others = [source for source in snapshots if source not in wishes]
    ordered = [*wishes, *(source for source in others if source.as_of is None or source.as_of <= night.date)]
    results: list[tuple[DataFrame, DataFrame]] = []
    for done, source in enumerate(ordered):
        night.notify(f"reading {source.name}", done, len(ordered))
        results.append(ingest(ctx, source))
    _require_listening(ctx)
    if results:
        ctx.write("quarantine/snapshots", reduce(DataFrame.unionByName, [bad for bad, _ in results]))
        ctx.write("ingest_counts/snapshots", reduce(DataFrame.unionByName, [counts for _, counts in results]))


def _require_listening(ctx: JobContext) -> None:
    """A night before the first log and the first counts is a slip of the operator's: name it."""
    night, date = ctx.night, ctx.night.date.isoformat()
    counts = [m for m in ctx.pending if m.table.startswith("play_counts/")]
    known = [*night.lake.select("events", "upto", date), *night.lake.select("play_counts", "latest", date), *counts]
    if not any(manifest.rows for manifest in known):
        raise SourceError(f"There is no data for {date}: no source has a play up to that date. Take a later one.")
