"""Timed logs to table `events`, one partition per source and received date: `pmrs run events --date D`.

Incremental: a received date whose files have not changed since its manifest was written is not read again. Every line
is accounted for, rejected ones lie in quarantine with their reason, duplicates count once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.forget.wishes import Wishes, wishes_in
from jobs.lake.collect import bounded
from jobs.lake.lake import new_folder
from jobs.lake.manifest import Manifest
from jobs.log import logger
from jobs.sources.config import newest_date
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.accounts import account_events, quarantine_rows, told_by_file
from jobs.sources.ingest.fresh import Inputs, inputs_of, news, some, steady, unchanged
from jobs.sources.ingest.orphans import STAGE, claim, sweep
from jobs.sources.ingest.quick import staged
from jobs.sources.ingest.reader import reader_version
from jobs.sources.ingest.settle import Settled, settle
from jobs.sources.ingest.stage import Stage, joined, stage_rows
from jobs.spark import at_once

LOG = logger(__name__)
Write = Callable[[JobContext], None]
Days = dict[str, Inputs]
"""Received date -> what it is made of."""


@dataclass(frozen=True)
class Config:
    """Nothing to choose: what makes an event acceptable is its format's."""


def days_to_read(ctx: JobContext, source: Source, files: list[str]) -> tuple[Days, dict[str, str]]:
    """Received dates up to the night whose files are new or changed since they were last read; and each file's date."""
    by_day: dict[str, list[str]] = {}
    for path in files:
        day = FORMATS[source.format].received(path)
        if day is not None and day <= ctx.night.date:
            by_day.setdefault(day.isoformat(), []).append(path)
    part, lake = f"events/{source.name}", ctx.night.lake
    read = {day: old.inputs for day in by_day if (old := lake.manifest(part, day))}
    found = {day: news(read.get(day), source, paths, f"received on {day}", ctx.force) for day, paths in by_day.items()}
    days = {day: inputs for day, inputs in found.items() if inputs is not None}
    _tell(ctx, source, read, days)
    if gone := [day for day in lake.dates(part) if day <= ctx.night.date.isoformat() and day not in by_day]:
        LOG.warning("all files of received dates are gone; their events are kept", source=source.name, days=some(gone))
    return days, {path: day for day in days for path in by_day[day]}


def _tell(ctx: JobContext, source: Source, read: Days, days: Days) -> None:
    """Say which of the dates that were read before are read again (they are in `days`), or were read by another program."""
    if (again := sorted(set(days) & set(read))) and not ctx.force:
        LOG.warning("received dates that were read already have changed; they are read again", source=source.name, days=some(again))
    now = reader_version(source.format)
    if older := [day for day in read if day not in days and read[day].get("reader|") != now]:
        again_by = f"pmrs run events --date {ctx.night.date} --force"
        LOG.warning("received dates were read by an older program", source=source.name, days=some(older), read_again_by=again_by)


def ingest_dated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Files that each belong to one received date."""
    days, dates = days_to_read(ctx, source, files)
    if days:
        with steady(source, sorted(dates)):
            _ingest(ctx, source, sorted(dates), days, dates)


def ingest_undated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Files of many dates (a table): every date in them is written, and none is read again until a file changes."""
    last = _last_account(ctx, source)
    inputs = news(last.inputs if last else None, source, files, "files of many dates", ctx.force)
    days = {ctx.night.date.isoformat(): inputs} if inputs is not None else {}
    _tell(ctx, source, dict.fromkeys([ctx.night.date.isoformat()], last.inputs) if last else {}, days)
    if days:
        with steady(source, files):
            _ingest(ctx, source, files, days, None)


def _last_account(ctx: JobContext, source: Source) -> Manifest | None:
    """The account that was written when an undated source was last read, after all its events."""
    part = f"ingest_counts/{source.name}"
    found = [m for day in ctx.night.lake.dates(part) if (m := ctx.night.lake.manifest(part, day)) and m.folder]
    return max(found, key=lambda m: m.folder.rpartition("run=")[2], default=None)


def _ingest(ctx: JobContext, source: Source, files: list[str], days: Days, dates: dict[str, str] | None) -> None:
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
    counted, (parsed, stage) = at_once(ctx.spark, count, partial(staged, ctx.spark, folder, source, files))
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    try:
        stage = joined(stage, stage_rows(parsed.rows, stage.folder, stage.files))
        if dates is None:
            (inputs,) = days.values()
            # dates that were in the files when they were last read, and no longer are, become empty
            days = dict.fromkeys({*days, *stage.days, *ctx.night.lake.dates(f"events/{source.name}")}, inputs)
        _write(ctx, source, counted, parsed, stage, days, dates)
    finally:
        parsed.lines.unpersist()


def _write(
    ctx: JobContext, source: Source, counted: DataFrame, parsed: Parsed, stage: Stage, days: Days, dates: dict[str, str] | None
) -> None:
    """Wishes first, so that what they ask for is not written; what says that the files are read, last.

    That is the manifest of a received date's events, and of an undated source the account.
    """
    told = told_by_file(parsed)
    if parsed.deletions is not None:
        wishes = parsed.deletions if any(file.wishes for file in told.values()) else None
        keep_wishes(ctx, source, wishes, days if dates is not None else None)
    part, run = f"events/{source.name}", new_folder()
    targets = {day: ctx.night.lake.store.uri(f"{part}/dt={day}/{run}") for day in days if day in stage.days}
    settled = settle(ctx.spark, stage, targets, _wishes(ctx))
    counts = account_events(source, counted, parsed, told, stage.lines, settled, dates)
    _keep_only(ctx, part, run, settled)
    rejected = quarantine_rows(parsed, source) if any(file.quarantined for file in told.values()) else None
    account = _account_writes(ctx, source, rejected, counts, days, dates)
    rows: list[Write] = [partial(JobContext.adopt_days, part=part, run=run, days=days)]
    ctx.at_once(*(rows + account if dates is None else account + rows))


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
        rejects = partial(JobContext.empty_days, part=quarantine, days=written[quarantine])
    else:
        placed = rejected.withColumn("dt", _by_file(dates) if dates else F.lit(first))
        rejects = partial(JobContext.write_days, part=quarantine, frame=placed, days=written[quarantine])
    return [rejects, partial(JobContext.write_rows, part=account, rows=by_day, days=written[account])]


def keep_wishes(ctx: JobContext, source: Source, wishes: DataFrame | None, days: Days | None) -> None:
    """Wishes met among the lines, beside those that were met there before: a wish outlives the file that it came in.

    `wishes`: as `deletions` of the contract; None: no line is one. `days`: received dates that are written; None: rows tell
    their dates, and their wishes lie under the night's.
    """
    night, part, lake = ctx.night.date.isoformat(), f"deletions/{source.name}", ctx.night.lake
    days = days or {night: {}}
    folders = [m.folder for day in days if (m := lake.manifest(part, day)) and m.folder]
    found = [lake.located(ctx.spark, part, folders)] if folders else []
    if wishes is not None:
        found.append(wishes.withColumn("dt", F.lit(night) if list(days) == [night] else F.col("dt").cast("string")))
    if found:
        met = reduce(DataFrame.unionByName, [rows.select("dt", "user_hash", "track_id") for rows in found])
        ctx.write_days(part, met.distinct(), days)
    else:
        ctx.empty_days(part, days)


def _wishes(ctx: JobContext) -> Wishes:
    """All wishes ever made, those of this very ingest included."""
    known = [*ctx.night.lake.select("deletions", "all", ctx.night.date.isoformat()), *ctx.pending]
    if not any(m.rows for m in known if m.table.startswith("deletions/")):
        return Wishes({})
    rows = ctx.read_with_pending("deletions", "all").select("user_hash", "track_id").distinct()
    return wishes_in(bounded(rows, 200, "wishes to be forgotten"))


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


def run(ctx: JobContext) -> None:
    """Reads every dated source; writes `events`, `deletions`, `quarantine` and `ingest_counts`, a part per source."""
    sweep(ctx.night.lake.store)
    require_date_in_data(ctx)
    dated = [source for source in ctx.night.sources.sources if FORMATS[source.format].dated]
    for done, source in enumerate(dated):
        ctx.night.notify(f"reading {source.name}", done, len(dated))
        files = FORMATS[source.format].files(source)
        own_day = [path for path in files if FORMATS[source.format].received(path) is not None]
        if own_day and len(own_day) < len(files):
            stray = min(set(files) - set(own_day))
            raise SourceError(f"Source {source.name}: {stray} names no date, others do (dt=2026-11-14/); move it to its day.")
        if own_day:
            later_wishes(ctx, source, own_day)
            ingest_dated(ctx, source, own_day)
        else:
            ingest_undated(ctx, source, files)
    require_plays_of_the_date(ctx, dated)


def later_wishes(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Wishes to be forgotten in logs that came after the night: they hold as known now, so an older night heeds them."""
    handler, lake = FORMATS[source.format], ctx.night.lake
    by_day: dict[str, list[str]] = {}
    for path in files:
        if (day := handler.received(path)) and day > ctx.night.date:
            by_day.setdefault(day.isoformat(), []).append(path)
    days: Days = {}
    for later, paths in by_day.items():
        old = lake.manifest(f"deletions/{source.name}", later)
        inputs = inputs_of(source, paths) if old is None else unchanged(old.inputs, source, paths)
        if inputs is not None and lake.manifest(f"events/{source.name}", later) is None:
            days[later] = inputs
    if days:
        # tomorrow's file may still be written: what stands in it is read, and the rest when its own night comes
        taken = replace(source, truncated="take")
        parsed = handler.parse(ctx.spark, taken, sorted(p for day in days for p in by_day[day]))
        if parsed.deletions is not None:
            keep_wishes(ctx, source, parsed.deletions, days)


def require_plays_of_the_date(ctx: JobContext, dated: list[Source]) -> None:
    """Raise SourceError where timed sources have nothing of the night's own date: a gap in the feed is no quiet night."""
    day = ctx.night.date.isoformat()
    fresh = [m for m in ctx.pending if m.table.startswith("events/") and m.date == day]
    if dated and not any(m.rows for m in (*fresh, *ctx.night.lake.select("events", "on", day))):
        raise SourceError(f"There is no data for {day}: no source has an event received on that date. Check the feed.")


def require_date_in_data(ctx: JobContext) -> None:
    """Raise SourceError for a night beyond the newest data: a slip of the operator's, or a feed that has stopped."""
    newest = newest_date(ctx.night.sources)
    if ctx.night.date > newest:
        raise SourceError(
            f"There is no data for {ctx.night.date}: the newest date in the sources is {newest}. Check the feed, or the date."
        )
