"""Timed logs to table `events`, one partition per source and received date: `pmrs run events --date D`.

Incremental: a received date whose files have not changed since its manifest was written is not read again. Every line
is accounted for, rejected ones lie in quarantine with their reason, duplicates count once.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.forget.wishes import without_forgotten
from jobs.lake.schemas import table
from jobs.log import logger
from jobs.sources.accounts import account, quarantine_rows
from jobs.sources.config import newest_date
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.lines import fingerprint

LOG = logger(__name__)
KEY = ("dt", *table("events").key)
Days = dict[str, dict[str, str]]
"""Received date -> its input files with their fingerprints."""


@dataclass(frozen=True)
class Config:
    """Nothing to choose: what makes an event acceptable is its format's."""


def build_events(rows: DataFrame, deletions: DataFrame) -> DataFrame:
    """Accepted rows of one source as table `events` with `dt`: repeats within a received date once, the forgotten out."""
    best = [F.max(name).alias(name) for name in ("rating", "ms_played", "session_id", "on_time")]
    return without_forgotten(rows.groupBy(*KEY).agg(*best), deletions)


def days_to_read(ctx: JobContext, source: Source, files: list[str]) -> Days:
    """Received dates up to the night whose files are new or changed since they were last read."""
    by_day: Days = {}
    for path in files:
        day = FORMATS[source.format].received(path)
        if day is not None and day <= ctx.night.date:
            by_day.setdefault(day.isoformat(), _options(source))[f"file|{path}"] = fingerprint(path)
    return {day: inputs for day, inputs in by_day.items() if _is_new(ctx, source, day, inputs)}


def _options(source: Source) -> dict[str, str]:
    """How the sources file says that the files are to be read: another column map, and they are read again."""
    said = json.dumps([source.format, source.namespace, dict(source.options)], sort_keys=True, default=str)
    return {"options|": hashlib.sha256(said.encode()).hexdigest()[:32]}


def _is_new(ctx: JobContext, source: Source, day: str, inputs: dict[str, str]) -> bool:
    old = ctx.night.lake.manifest(f"events/{source.name}", day)
    if old is not None and old.inputs != inputs and not ctx.force:
        LOG.warning("a received date that was read already has changed; it is read again", source=source.name, day=day)
    return ctx.force or old is None or old.inputs != inputs


def ingest_dated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Files that each belong to one received date."""
    days = days_to_read(ctx, source, files)
    if not days:
        return
    days_of = {label.removeprefix("file|"): day for day, inputs in days.items() for label in inputs if "/" in label}
    paths = sorted(days_of)
    with _read(ctx, source, paths) as (parsed, counts):
        dated = counts.withColumn("dt", _by_file(days_of))
        ctx.write_days(f"quarantine/{source.name}", quarantine_rows(parsed, source).withColumn("dt", _by_file(days_of)), days)
        ctx.write_days(f"ingest_counts/{source.name}", dated, days)
        _write_events(ctx, source, parsed, days)


def ingest_undated(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Files of many dates (a table): rows after the night's date stay outside, those of dates already read as well."""
    inputs = _options(source) | {f"file|{path}": fingerprint(path) for path in files}
    today = ctx.night.date.isoformat()
    if not _is_new(ctx, source, today, inputs):
        return
    with _read(ctx, source, files) as (parsed, counts):
        known = parsed.rows.where(F.col("dt") <= F.lit(today)).select(F.col("dt").cast("string")).distinct().toArrow()
        days = {day: inputs for day in {today, *known["dt"].to_pylist()} if _is_new(ctx, source, day, inputs)}
        ctx.write(f"quarantine/{source.name}", quarantine_rows(parsed, source))
        ctx.write(f"ingest_counts/{source.name}", counts)
        _write_events(ctx, source, parsed, days)


@contextlib.contextmanager
def _read(ctx: JobContext, source: Source, files: list[str]) -> Iterator[tuple[Parsed, DataFrame]]:
    """The files parsed once, with their accounts; raises SourceError where these do not balance or too much is refused."""
    handler = FORMATS[source.format]
    counted = handler.count(ctx.spark, source, files)
    parsed = handler.parse(ctx.spark, source, files)
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    try:
        yield parsed, account(source, counted, parsed, KEY)
    finally:
        parsed.lines.unpersist()


def _by_file(days_of: dict[str, str]) -> Column:
    """The received date (ISO) of column `file`."""
    pairs = [F.lit(text) for pair in sorted(days_of.items()) for text in pair]
    return F.element_at(F.create_map(*pairs), F.col("file"))


def _write_events(ctx: JobContext, source: Source, parsed: Parsed, days: Days) -> None:
    """Wishes first, so that what they ask for is not written; events last: their manifest says that the day is in."""
    wishes = ctx.read_with_pending("deletions", "all").select("user_hash", "track_id")
    if parsed.deletions is not None:
        met = parsed.deletions.select("dt", "user_hash", "track_id").distinct()
        ctx.write_days(f"deletions/{source.name}", met, days)
        wishes = wishes.unionByName(met.drop("dt")).distinct()
    wanted = F.col("dt").cast("string").isin(sorted(days))
    ctx.write_days(f"events/{source.name}", build_events(parsed.rows.where(wanted), wishes), days)


def run(ctx: JobContext) -> None:
    """Reads every dated source; writes `events`, `deletions`, `quarantine` and `ingest_counts`, a part per source."""
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
    handler, days_of = FORMATS[source.format], {}
    for path in files:
        day = handler.received(path)
        if day and day > ctx.night.date and ctx.night.lake.manifest(f"events/{source.name}", day.isoformat()) is None:
            days_of[path] = day.isoformat()
    wishes = handler.parse(ctx.spark, source, sorted(days_of)).deletions if days_of else None
    if wishes is not None:
        met = wishes.select("dt", "user_hash", "track_id").distinct()
        ctx.write_days(f"deletions/{source.name}", met, {day: {} for day in days_of.values()})


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
