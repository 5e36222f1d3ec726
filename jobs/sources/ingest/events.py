"""Write timed logs to table `events`, one partition per source and received date: `pmrs run events --date D`.

Incremental: a received date is not read again while its files are the same as in its manifest. Every line is accounted
for, rejected lines go to the quarantine with a reason, and duplicates count once. The job has no settings: each format
defines what makes an event acceptable.
"""

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.inputs import READER
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.sources.config import newest_date
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.change_detection import InputsByDate, abbreviate, detect_changes, inputs_to_read
from jobs.sources.ingest.deletion_requests import read_later_deletion_requests
from jobs.sources.ingest.orphans import remove_orphans
from jobs.sources.ingest.reader_version import reader_version
from jobs.sources.ingest.write_events import ingest_files

LOG = logger(__name__)


def dates_to_read(ctx: JobContext, source: Source, files: list[str]) -> tuple[InputsByDate, dict[str, str]]:
    """Return the received dates up to the night whose files are new or changed, and the date of each of their files."""
    by_day: dict[str, list[str]] = {}
    for path in files:
        received = FORMATS[source.format].receipt_date(path)
        if received is not None and received <= ctx.night.date:
            by_day.setdefault(received.isoformat(), []).append(path)
    part, lake = f"events/{source.name}", ctx.night.lake
    previous = {day: manifest.inputs for day in by_day if (manifest := lake.manifest(part, day))}
    days: InputsByDate = {}
    for day, paths in by_day.items():
        inputs = inputs_to_read(previous.get(day), source, paths, f"received on {day}", ctx.force)
        if inputs is not None:
            days[day] = inputs
    _log_reread_dates(ctx, source, previous, days)
    without_files = [day for day in lake.dates(part) if day <= ctx.night.date.isoformat() and day not in by_day]
    if without_files:
        message = "the files of received dates no longer exist; their events are kept"
        LOG.warning(message, source=source.name, days=abbreviate(without_files))
    return days, {path: day for day in days for path in by_day[day]}


def _log_reread_dates(ctx: JobContext, source: Source, previous: InputsByDate, days: InputsByDate) -> None:
    """Log the dates that are read again, and those that an older program read.

    `previous`: dates that were read before. `days`: dates that are read now.
    """
    if (reread := sorted(set(days) & set(previous))) and not ctx.force:
        message = "the files of received dates have changed; they are read again"
        LOG.warning(message, source=source.name, days=abbreviate(reread))
    version = reader_version(source.format)
    if older := [day for day in previous if day not in days and previous[day].get(READER.label()) != version]:
        command = f"pmrs run events --date {ctx.night.date} --force"
        message = "received dates were read by an older program"
        LOG.warning(message, source=source.name, days=abbreviate(older), read_again_by=command)


def ingest_dated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Ingest files that each belong to one received date."""
    days, dates = dates_to_read(ctx, source, files)
    if days:
        with detect_changes(source, sorted(dates)):
            ingest_files(ctx, source, sorted(dates), days, dates)


def ingest_undated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Ingest files of many dates (a table). All dates in them are written; none is read again until a file changes."""
    night, last = ctx.night.date.isoformat(), _last_account(ctx, source)
    inputs = inputs_to_read(last.inputs if last else None, source, files, "files of many dates", ctx.force)
    days = {night: inputs} if inputs is not None else {}
    _log_reread_dates(ctx, source, {night: last.inputs} if last else {}, days)
    if days:
        with detect_changes(source, files):
            ingest_files(ctx, source, files, days, None)


def _last_account(ctx: JobContext, source: Source) -> Manifest | None:
    """Return the manifest of `ingest_counts` from the last read of an undated source.

    It is written after the source's events.
    """
    part, lake = f"ingest_counts/{source.name}", ctx.night.lake
    manifests = [m for day in lake.dates(part) if (m := lake.manifest(part, day)) and m.folder]
    return max(manifests, key=lambda m: m.folder.rpartition("run=")[2], default=None)


def run(ctx: JobContext) -> None:
    """Read every dated source; write `events`, `deletions`, `quarantine` and `ingest_counts`, one part per source."""
    remove_orphans(ctx.night.lake.store)
    require_date_in_data(ctx)
    dated = [source for source in ctx.night.sources.sources if FORMATS[source.format].dated]
    for number, source in enumerate(dated):
        ctx.night.on_progress(f"reading {source.name}", number, len(dated))
        files = FORMATS[source.format].files(source)
        with_date = [path for path in files if FORMATS[source.format].receipt_date(path) is not None]
        if with_date and len(with_date) < len(files):
            stray = min(set(files) - set(with_date))
            raise SourceError(
                f"Source {source.name}: {stray} has no date in its path, others do (dt=2026-11-14/); "
                "move it to its day."
            )
        if with_date:
            read_later_deletion_requests(ctx, source, with_date)
            ingest_dated(ctx, source, with_date)
        else:
            ingest_undated(ctx, source, files)
    require_events_of_the_date(ctx, dated)


def require_events_of_the_date(ctx: JobContext, dated: list[Source]) -> None:
    """Raise SourceError if no timed source has an event of the night's date: that is a gap in the feed."""
    day = ctx.night.date.isoformat()
    pending = [m for m in ctx.pending if m.table.startswith("events/") and m.date == day]
    if dated and not any(m.rows for m in (*pending, *ctx.night.lake.select("events", Partitions.DATE, day))):
        raise SourceError(f"There is no data for {day}: no source has an event received on that date. Check the feed.")


def require_date_in_data(ctx: JobContext) -> None:
    """Raise SourceError for a night after the newest data: a mistyped date, or a feed that has stopped.

    The lake answers this for most nights. Only for a later night are the sources read for their newest date.
    """
    dated = [source.name for source in ctx.night.sources.sources if FORMATS[source.format].dated]
    if any(day >= ctx.night.date.isoformat() for name in dated for day in ctx.night.lake.dates(f"events/{name}")):
        return
    newest = newest_date(ctx.night.sources)
    if ctx.night.date > newest:
        raise SourceError(
            f"There is no data for {ctx.night.date}: the newest date in the sources is {newest}. "
            "Check the feed, or the date."
        )
