"""Deletion requests in the lines of a log. They are written before the events that they concern."""

from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import DeletionRequests, requests_from_rows
from jobs.lake.partitions import Partitions
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.change_detection import InputsByDate, changed_inputs, compute_inputs


def write_deletion_requests(
    ctx: JobContext, source: Source, requests: DataFrame | None, days: InputsByDate | None
) -> None:
    """Write the requests from the lines together with earlier ones: a request outlives the file that it came in.

    `requests`: `Parsed.deletions`; None: the lines have none. `days`: received dates that are written; None: rows have
    their own dates, and the requests are stored under the night's date.
    """
    night, part, lake = ctx.night.date.isoformat(), f"deletions/{source.name}", ctx.night.lake
    days = days or {night: {}}
    folders = [m.folder for day in days if (m := lake.manifest(part, day)) and m.folder]
    frames = [lake.read_with_location(ctx.spark, part, folders)] if folders else []
    if requests is not None:
        dt = F.lit(night) if list(days) == [night] else F.col("dt").cast("string")
        frames.append(requests.withColumn("dt", dt))
    if frames:
        rows = reduce(DataFrame.unionByName, [frame.select("dt", "user_hash", "track_id") for frame in frames])
        ctx.write_partitioned(part, rows.distinct(), days)
    else:
        ctx.write_empty_partitions(part, days)


def load_deletion_requests(ctx: JobContext) -> DeletionRequests:
    """Return all deletion requests ever made, including those of the current ingest."""
    manifests = [*ctx.night.lake.select("deletions", Partitions.ALL, ctx.night.date.isoformat()), *ctx.pending]
    if not any(m.rows for m in manifests if m.table.startswith("deletions/")):
        return DeletionRequests({})
    rows = ctx.read_with_pending("deletions", Partitions.ALL).select("user_hash", "track_id").distinct()
    return requests_from_rows(collect_arrow(rows, 200, "deletion requests"))


def read_later_deletion_requests(ctx: JobContext, source: Source, files: list[str]) -> None:
    """Write the deletion requests of logs that were received after the night.

    Requests apply as known now, so an older night respects later ones.
    """
    handler, lake = FORMATS[source.format], ctx.night.lake
    by_day: dict[str, list[str]] = {}
    for path in files:
        if (day := handler.receipt_date(path)) and day > ctx.night.date:
            by_day.setdefault(day.isoformat(), []).append(path)
    days: InputsByDate = {}
    for later, paths in by_day.items():
        previous = lake.manifest(f"deletions/{source.name}", later)
        inputs = compute_inputs(source, paths) if previous is None else changed_inputs(previous.inputs, source, paths)
        if inputs is not None and lake.manifest(f"events/{source.name}", later) is None:
            days[later] = inputs
    if days:
        # a file of a later date may still be written: its lines so far are read now, the rest when its own night comes
        tolerant = replace(source, truncated="take")
        parsed = handler.parse(ctx.spark, tolerant, sorted(path for day in days for path in by_day[day]))
        if parsed.deletions is not None:
            write_deletion_requests(ctx, source, parsed.deletions, days)
