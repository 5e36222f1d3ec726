"""Wishes to be forgotten that are met among the lines of a log: kept before anything that they concern is written."""

from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import Wishes, wishes_in
from jobs.lake.partitions import Partitions
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.fresh import Days, inputs_of, unchanged


def keep_wishes(ctx: JobContext, source: Source, wishes: DataFrame | None, days: Days | None) -> None:
    """Wishes met among the lines, beside those that were met there before: a wish outlives the file that it came in.

    `wishes`: as `deletions` of the contract; None: no line is one. `days`: received dates that are written; None: rows tell
    their dates, and their wishes lie under the night's.
    """
    night, part, lake = ctx.night.date.isoformat(), f"deletions/{source.name}", ctx.night.lake
    days = days or {night: {}}
    folders = [m.folder for day in days if (m := lake.manifest(part, day)) and m.folder]
    found = [lake.read_with_location(ctx.spark, part, folders)] if folders else []
    if wishes is not None:
        found.append(wishes.withColumn("dt", F.lit(night) if list(days) == [night] else F.col("dt").cast("string")))
    if found:
        met = reduce(DataFrame.unionByName, [rows.select("dt", "user_hash", "track_id") for rows in found])
        ctx.write_partitioned(part, met.distinct(), days)
    else:
        ctx.write_empty_partitions(part, days)


def known_wishes(ctx: JobContext) -> Wishes:
    """All wishes ever made, those of this very ingest included."""
    known = [*ctx.night.lake.select("deletions", Partitions.ALL, ctx.night.date.isoformat()), *ctx.pending]
    if not any(m.rows for m in known if m.table.startswith("deletions/")):
        return Wishes({})
    rows = ctx.read_with_pending("deletions", Partitions.ALL).select("user_hash", "track_id").distinct()
    return wishes_in(collect_arrow(rows, 200, "wishes to be forgotten"))


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
