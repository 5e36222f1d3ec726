"""Write the files of a timed source to the lake: stage, count, deduplicate and account for them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.lake import new_folder
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.accounts import FileCounts, account_events, count_by_file, quarantine_rows
from jobs.sources.ingest.change_detection import InputsByDate
from jobs.sources.ingest.deduplicate import WrittenEvents, deduplicate
from jobs.sources.ingest.deletion_requests import load_deletion_requests, write_deletion_requests
from jobs.sources.ingest.fast_path import stage_source
from jobs.sources.ingest.orphans import STAGING_FOLDER, claim_folder
from jobs.sources.ingest.staging import StagedEvents, merge_staged, stage_rows
from jobs.spark import run_parallel

Write = Callable[[JobContext], None]


def ingest_files(
    ctx: JobContext, source: Source, files: list[str], days: InputsByDate, dates: dict[str, str] | None
) -> None:
    """Read files and write their events. `dates`: received date of each file; None: rows have their own dates."""
    folder = f"{STAGING_FOLDER}/{new_folder()}"
    claim_folder(ctx.night.lake.store, folder)
    try:
        _stage_and_write(ctx, source, files, days, dates, ctx.night.lake.store.uri(folder))
    finally:
        ctx.night.lake.store.remove(folder)


def _stage_and_write(
    ctx: JobContext, source: Source, files: list[str], days: InputsByDate, dates: dict[str, str] | None, folder: str
) -> None:
    # the count comes first: its error for an unreadable file is in the operator's words
    count = partial(FORMATS[source.format].count, ctx.spark, source, files)
    counted, (parsed, staged) = run_parallel(ctx.spark, count, partial(stage_source, ctx.spark, folder, source, files))
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    try:
        slow_path, by_file = run_parallel(
            ctx.spark, partial(stage_rows, parsed.rows, staged.folder, staged.files), partial(count_by_file, parsed)
        )
        staged = merge_staged(staged, slow_path)
        if dates is None:
            (inputs,) = days.values()
            # dates that the files had when they were last read, and no longer have, become empty
            written_before = ctx.night.lake.dates(f"events/{source.name}")
            days = dict.fromkeys({*days, *staged.arrow_files, *written_before}, inputs)
        _write(ctx, source, _ParsedFiles(counted, parsed, by_file, staged), days, dates)
    finally:
        parsed.lines.unpersist()


@dataclass(frozen=True)
class _ParsedFiles:
    """The content of the files before anything is written to the lake."""

    counted: dict[str, int]
    """File -> lines_in."""
    parsed: Parsed
    """Lines that did not take the fast path."""
    by_file: dict[str, FileCounts]
    """File -> counts of the lines in `parsed`."""
    staged: StagedEvents
    """All accepted rows."""


def _write(
    ctx: JobContext, source: Source, read: _ParsedFiles, days: InputsByDate, dates: dict[str, str] | None
) -> None:
    """Write deletion requests first, so that they apply to the events, and the record that the files were read last.

    That record is the manifest of a received date's events, and for an undated source its counts.
    """
    parsed, staged = read.parsed, read.staged
    if parsed.deletions is not None:
        requests = parsed.deletions if any(counts.deletion_requests for counts in read.by_file.values()) else None
        write_deletion_requests(ctx, source, requests, days if dates is not None else None)
    part, run = f"events/{source.name}", new_folder()
    targets = {day: ctx.night.lake.store.uri(f"{part}/dt={day}/{run}") for day in days if day in staged.arrow_files}
    written = deduplicate(ctx.spark, staged, targets, load_deletion_requests(ctx))
    counts = account_events(source, read.counted, parsed, read.by_file, staged.fast_path_lines, written, dates)
    _remove_unreported_files(ctx, part, run, written)
    rejected = quarantine_rows(parsed, source) if any(file.quarantined for file in read.by_file.values()) else None
    accounts = _account_writes(ctx, source, rejected, counts, days, dates)
    events: list[Write] = [partial(JobContext.register_partitions, part=part, run=run, days=days)]
    ctx.run_parallel(*(events + accounts if dates is None else accounts + events))


def _account_writes(
    ctx: JobContext,
    source: Source,
    rejected: DataFrame | None,
    counts: list[dict[str, Any]],
    days: InputsByDate,
    dates: dict[str, str] | None,
) -> list[Write]:
    """Return functions that write the rejected lines (None: there are none) and the counts by received date.

    For files of many dates (`dates` is None) both are stored under the first of `days` only, which every night sees.
    """
    first, quarantine, account = min(days), f"quarantine/{source.name}", f"ingest_counts/{source.name}"
    by_day: dict[str, list[dict[str, Any]]] = {}
    for row in counts:
        by_day.setdefault(dates[row["file"]] if dates else first, []).append(row)
    written = dict.fromkeys((quarantine, account), days)
    if not dates:
        written = {part: dict.fromkeys({first, *ctx.night.lake.dates(part)}, days[first]) for part in written}
    if rejected is None:
        write_rejected = partial(JobContext.write_empty_partitions, part=quarantine, days=written[quarantine])
    else:
        with_date = rejected.withColumn("dt", _date_of_file(dates) if dates else F.lit(first))
        write_rejected = partial(
            JobContext.write_partitioned, part=quarantine, frame=with_date, days=written[quarantine]
        )
    return [write_rejected, partial(JobContext.write_local, part=account, rows=by_day, days=written[account])]


def _remove_unreported_files(ctx: JobContext, part: str, run: str, written: WrittenEvents) -> None:
    """Remove files of task attempts that were repeated: only files that a finished task reported are valid."""
    store = ctx.night.lake.store
    for day, names in written.files.items():
        for stray in set(store.files(f"{part}/dt={day}/{run}")) - set(names):
            store.remove(f"{part}/dt={day}/{run}/{stray}")


def _date_of_file(dates: dict[str, str]) -> Column:
    """Return the received date (ISO) of column `file`."""
    pairs = [F.lit(text) for pair in sorted(dates.items()) for text in pair]
    return F.element_at(F.create_map(*pairs), F.col("file"))
