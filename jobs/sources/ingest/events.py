"""Timed logs to table `events`, one partition per source and received date: `pmrs run events --date D`.

Incremental: a received date whose files have not changed since its manifest was written is not read again. Every line
is accounted for, rejected ones lie in quarantine with their reason, duplicates count once.
"""

from dataclasses import dataclass

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.sources.config import newest_date
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.fresh import Days, news, some, steady
from jobs.sources.ingest.orphans import sweep
from jobs.sources.ingest.reader import reader_version
from jobs.sources.ingest.wishing import later_wishes
from jobs.sources.ingest.write import ingest

LOG = logger(__name__)


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
            ingest(ctx, source, sorted(dates), days, dates)


def ingest_undated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Files of many dates (a table): every date in them is written, and none is read again until a file changes."""
    last = _last_account(ctx, source)
    inputs = news(last.inputs if last else None, source, files, "files of many dates", ctx.force)
    days = {ctx.night.date.isoformat(): inputs} if inputs is not None else {}
    _tell(ctx, source, dict.fromkeys([ctx.night.date.isoformat()], last.inputs) if last else {}, days)
    if days:
        with steady(source, files):
            ingest(ctx, source, files, days, None)


def _last_account(ctx: JobContext, source: Source) -> Manifest | None:
    """The account that was written when an undated source was last read, after all its events."""
    part = f"ingest_counts/{source.name}"
    found = [m for day in ctx.night.lake.dates(part) if (m := ctx.night.lake.manifest(part, day)) and m.folder]
    return max(found, key=lambda m: m.folder.rpartition("run=")[2], default=None)


def run(ctx: JobContext) -> None:
    """Reads every dated source; writes `events`, `deletions`, `quarantine` and `ingest_counts`, a part per source."""
    sweep(ctx.night.lake.store)
    require_date_in_data(ctx)
    dated = [source for source in ctx.night.sources.sources if FORMATS[source.format].dated]
    for done, source in enumerate(dated):
        ctx.night.on_progress(f"reading {source.name}", done, len(dated))
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


def require_plays_of_the_date(ctx: JobContext, dated: list[Source]) -> None:
    """Raise SourceError where timed sources have nothing of the night's own date: a gap in the feed is no quiet night."""
    day = ctx.night.date.isoformat()
    fresh = [m for m in ctx.pending if m.table.startswith("events/") and m.date == day]
    if dated and not any(m.rows for m in (*fresh, *ctx.night.lake.select("events", Partitions.DATE, day))):
        raise SourceError(f"There is no data for {day}: no source has an event received on that date. Check the feed.")


def require_date_in_data(ctx: JobContext) -> None:
    """Raise SourceError for a night beyond the newest data: a slip of the operator's, or a feed that has stopped.

    What the lake has tells most nights; only for one beyond that are the sources asked, which can mean to read them.
    """
    dated = [source.name for source in ctx.night.sources.sources if FORMATS[source.format].dated]
    if any(day >= ctx.night.date.isoformat() for name in dated for day in ctx.night.lake.dates(f"events/{name}")):
        return
    newest = newest_date(ctx.night.sources)
    if ctx.night.date > newest:
        raise SourceError(
            f"There is no data for {ctx.night.date}: the newest date in the sources is {newest}. Check the feed, or the date."
        )
