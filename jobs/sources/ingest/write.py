"""Files of a timed source to the lake: staged, counted, settled, and accounted for."""

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
from jobs.sources.ingest.accounts import Told, account_events, quarantine_rows, told_by_file
from jobs.sources.ingest.fresh import Days
from jobs.sources.ingest.orphans import STAGE, claim
from jobs.sources.ingest.quick import staged
from jobs.sources.ingest.settle import Settled, settle
from jobs.sources.ingest.stage import Stage, joined, stage_rows
from jobs.sources.ingest.wishing import keep_wishes, known_wishes
from jobs.spark import run_parallel

Write = Callable[[JobContext], None]


def ingest(ctx: JobContext, source: Source, files: list[str], days: Days, dates: dict[str, str] | None) -> None:
    """Read files and write what they hold; `dates`: each file's received date, None where every row tells its own."""
    folder = f"{STAGE}/{new_folder()}"
    claim(ctx.night.lake.store, folder)
    try:
        _stage_and_write(ctx, source, files, days, dates, ctx.night.lake.store.uri(folder))
    finally:
        ctx.night.lake.store.remove(folder)


def _stage_and_write(
    ctx: JobContext, source: Source, files: list[str], days: Days, dates: dict[str, str] | None, folder: str
) -> None:
    # the count stands first: where a file cannot be read to its end, it says so in the operator's words
    count = partial(FORMATS[source.format].count, ctx.spark, source, files)
    counted, (parsed, stage) = run_parallel(ctx.spark, count, partial(staged, ctx.spark, folder, source, files))
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    try:
        odd, told = run_parallel(
            ctx.spark, partial(stage_rows, parsed.rows, stage.folder, stage.files), partial(told_by_file, parsed)
        )
        stage = joined(stage, odd)
        if dates is None:
            (inputs,) = days.values()
            # dates that were in the files when they were last read, and no longer are, become empty
            days = dict.fromkeys({*days, *stage.days, *ctx.night.lake.dates(f"events/{source.name}")}, inputs)
        _write(ctx, source, _Read(counted, parsed, told, stage), days, dates)
    finally:
        parsed.lines.unpersist()


@dataclass(frozen=True)
class _Read:
    """What came of the files, none of it written to the lake yet."""

    counted: dict[str, int]
    """File -> lines_in."""
    parsed: Parsed
    """What did not take the quick way."""
    told: dict[str, Told]
    """File -> what the lines of `parsed` say."""
    stage: Stage
    """All accepted rows."""


def _write(ctx: JobContext, source: Source, read: _Read, days: Days, dates: dict[str, str] | None) -> None:
    """Wishes first, so that what they ask for is not written; what says that the files are read, last.

    That is the manifest of a received date's events, and of an undated source the account.
    """
    parsed, stage = read.parsed, read.stage
    if parsed.deletions is not None:
        wishes = parsed.deletions if any(file.wishes for file in read.told.values()) else None
        keep_wishes(ctx, source, wishes, days if dates is not None else None)
    part, run = f"events/{source.name}", new_folder()
    targets = {day: ctx.night.lake.store.uri(f"{part}/dt={day}/{run}") for day in days if day in stage.days}
    settled = settle(ctx.spark, stage, targets, known_wishes(ctx))
    counts = account_events(source, read.counted, parsed, read.told, stage.lines, settled, dates)
    _keep_only(ctx, part, run, settled)
    rejected = quarantine_rows(parsed, source) if any(file.quarantined for file in read.told.values()) else None
    account = _account_writes(ctx, source, rejected, counts, days, dates)
    rows: list[Write] = [partial(JobContext.register_partitions, part=part, run=run, days=days)]
    ctx.run_parallel(*(rows + account if dates is None else account + rows))


def _account_writes(
    ctx: JobContext,
    source: Source,
    rejected: DataFrame | None,
    counts: list[dict[str, Any]],
    days: Days,
    dates: dict[str, str] | None,
) -> list[Write]:
    """What writes the rejected lines (None: there are none), and the counts, under the received date of their file.

    What is told of files of many dates (`dates` is None) lies under the first of `days`, for every night to see, and nowhere
    else.
    """
    first, quarantine, account = min(days), f"quarantine/{source.name}", f"ingest_counts/{source.name}"
    by_day: dict[str, list[dict[str, Any]]] = {}
    for row in counts:
        by_day.setdefault(dates[row["file"]] if dates else first, []).append(row)
    written = dict.fromkeys((quarantine, account), days)
    if not dates:
        written = {part: dict.fromkeys({first, *ctx.night.lake.dates(part)}, days[first]) for part in written}
    if rejected is None:
        rejects = partial(JobContext.write_empty_partitions, part=quarantine, days=written[quarantine])
    else:
        placed = rejected.withColumn("dt", _by_file(dates) if dates else F.lit(first))
        rejects = partial(JobContext.write_partitioned, part=quarantine, frame=placed, days=written[quarantine])
    return [rejects, partial(JobContext.write_local, part=account, rows=by_day, days=written[account])]


def _keep_only(ctx: JobContext, part: str, run: str, settled: Settled) -> None:
    """Take away what a task that was repeated had left: only files that a finished task named are rows."""
    store = ctx.night.lake.store
    for day, names in settled.files.items():
        for stray in set(store.files(f"{part}/dt={day}/{run}")) - set(names):
            store.remove(f"{part}/dt={day}/{run}/{stray}")


def _by_file(dates: dict[str, str]) -> Column:
    """The received date (ISO) of column `file`."""
    pairs = [F.lit(text) for pair in sorted(dates.items()) for text in pair]
    return F.element_at(F.create_map(*pairs), F.col("file"))
