"""Ingest data without dates: catalogue, labels, counts, profiles, audio files, deletion requests.

`pmrs run snapshots --date D`. Each source is read completely, once: while its files and the deletion requests stay the
same, later nights refer to the existing rows. They are stored under the night's date, play counts under their `as_of`.
The job has no settings: the sources file decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.deletion_requests import with_songs, without_erased
from jobs.lake.digest import combined
from jobs.lake.inputs import DELETIONS
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.sources.contract import COUNT_TABLES, Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.accounts import account_snapshot, quarantine_rows
from jobs.sources.ingest.change_detection import Inputs, changed_inputs, compute_inputs, detect_changes


def build_snapshot(rows: DataFrame, name: str, files: Sequence[str]) -> DataFrame:
    """Keep one row per key of the table, and the first `file` of `files` that has it.

    Of several rows with one key, the smallest by content is kept. So the order of files does not matter.
    """
    key, first = list(table(name).key), (F.min("file") if len(files) > 1 else F.lit(files[0])).alias("file")
    others = [field for field in table(name).schema if field.name not in key]
    if not others:
        return rows.groupBy(*key).agg(first)
    if len(others) == 1 and not others[0].nullable:
        # Spark sorts all rows for the minimum of a struct or text, but not for that of a number
        return rows.groupBy(*key).agg(F.min(others[0].name).alias(others[0].name), first)
    smallest = rows.groupBy(*key).agg(F.min(F.struct(*[field.name for field in others])).alias("smallest"), first)
    return smallest.select(*key, *[F.col(f"smallest.{field.name}").alias(field.name) for field in others], "file")


def ingest_snapshot(ctx: JobContext, source: Source) -> None:
    """Write the rows, quarantine and counts of one source, or refer to its existing ones."""
    files = FORMATS[source.format].files(source)
    previous = [] if ctx.force else _previous_manifests(ctx, source)
    if previous:
        inputs = _changed_inputs(ctx, previous[0].inputs, source, files)
    else:
        inputs = _deletion_inputs(ctx) | compute_inputs(source, files)
    if inputs is None:
        ctx.pending += previous
    else:
        with detect_changes(source, files):
            _read(ctx, source, files, inputs)


def output_parts(source: Source) -> dict[str, date | None]:
    """Return the parts that a source writes, that of its table first, and their dates if not the night's."""
    handler = FORMATS[source.format]
    # counts belong to their as_of; the night reads everything else as it is now
    as_of = source.as_of if handler.table in COUNT_TABLES else None
    names = [*sorted(handler.extra_tables), "quarantine", "ingest_counts"]
    return {f"{handler.table}/{source.name}": as_of} | {f"{name}/{source.name}": None for name in names}


def _previous_manifests(ctx: JobContext, source: Source) -> list[Manifest]:
    """Return the manifests of the source's last read, rewritten for this night; none if a part is missing."""
    manifests = []
    for part, on in output_parts(source).items():
        day = (on or ctx.night.date).isoformat()
        dates = [d for d in ctx.night.lake.dates(part) if d <= day]
        manifest = ctx.night.lake.manifest(part, dates[-1]) if dates else None
        if manifest is None or manifest.code != ctx.code:
            return []
        manifests.append(replace(manifest, date=day, run_id=ctx.night.run_id, seconds=0.0))
    return manifests if all(m.inputs == manifests[0].inputs for m in manifests) else []


def _deletion_inputs(ctx: JobContext) -> Inputs:
    """Return a digest of all deletion requests, including those of the current ingest: rows depend on them."""
    # without dates: the same requests, read again for another night, are no change
    return {DELETIONS.label(): combined({f"{m.table}:{m.digest}": "" for m in _deletion_manifests(ctx)})}


def _deletion_manifests(ctx: JobContext) -> list[Manifest]:
    pending = [m for m in ctx.pending if m.table.startswith("deletions/")]
    return [*ctx.night.lake.select("deletions", Partitions.ALL, ctx.night.date.isoformat()), *pending]


def _changed_inputs(ctx: JobContext, previous: Inputs, source: Source, files: list[str]) -> Inputs | None:
    deletions, label = _deletion_inputs(ctx), DELETIONS.label()
    if _has_users(source) and previous.get(label) != deletions[label]:
        return deletions | compute_inputs(source, files)
    inputs = changed_inputs({k: v for k, v in previous.items() if k != label}, source, files)
    return None if inputs is None else deletions | inputs


def _has_users(source: Source) -> bool:
    """Return whether a table of the source has users, so that a new deletion request concerns it."""
    handler = FORMATS[source.format]
    return any("user_id" in table(name).schema.names for name in (handler.table, *handler.extra_tables))


def _read(ctx: JobContext, source: Source, files: list[str], inputs: Inputs) -> None:
    handler = FORMATS[source.format]
    counted = handler.count(ctx.spark, source, files)
    parsed = handler.parse(ctx.spark, source, files)
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    main = build_snapshot(parsed.rows, handler.table, files).persist(StorageLevel.DISK_ONLY)
    try:
        counts = account_snapshot(source, counted, parsed, main)
        extra = [build_snapshot(parsed.extra_tables[name], name, files) for name in sorted(handler.extra_tables)]
        outputs: list[DataFrame | list[dict[str, Any]]] = [
            _without_deleted(ctx, frame.drop("file")) for frame in (main, *extra)
        ]
        outputs += [quarantine_rows(parsed, source) if any(row["quarantined"] for row in counts) else [], counts]
        parts = output_parts(source).items()
        ctx.run_parallel(*[_write(part, on, rows, inputs) for (part, on), rows in zip(parts, outputs, strict=True)])
    finally:
        main.unpersist()
        parsed.lines.unpersist()


def _write(
    part: str, on: date | None, rows: DataFrame | list[dict[str, Any]], inputs: Inputs
) -> Callable[[JobContext], None]:
    """Return a function that writes the partition of a part, from a DataFrame or from a few rows on the driver."""

    def write(ctx: JobContext) -> None:
        if isinstance(rows, DataFrame):
            ctx.write(part, rows, on=on, inputs=inputs)
        else:
            day = (on or ctx.night.date).isoformat()
            ctx.write_local(part, {day: rows}, {day: inputs})
        if on is not None:
            # if the source's `as_of` was moved to an earlier date, these counts also replace those of the later dates
            later = [d for d in ctx.night.lake.dates(part) if d > on.isoformat()]
            ctx.pending += [replace(ctx.pending[-1], date=d) for d in later]

    return write


def _without_deleted(ctx: JobContext, rows: DataFrame) -> DataFrame:
    """Remove the rows that deletion requests cover."""
    if "user_id" not in rows.columns or not any(m.rows for m in _deletion_manifests(ctx)):
        return rows
    requests = ctx.read_with_pending("deletions", Partitions.ALL)
    return without_erased(
        rows, with_songs(ctx.night.lake, ctx.spark, requests) if "song_id" in rows.columns else requests
    )


def run(ctx: JobContext) -> None:
    """Read every snapshot source, deletion requests first; write a part per source."""
    night = ctx.night
    snapshots = [source for source in night.sources.sources if not FORMATS[source.format].dated]
    deletions = [source for source in snapshots if FORMATS[source.format].table == "deletions"]
    others = [source for source in snapshots if source not in deletions]
    ordered = [*deletions, *(source for source in others if source.as_of is None or source.as_of <= night.date)]
    for number, source in enumerate(ordered):
        night.on_progress(f"reading {source.name}", number, len(ordered))
        ingest_snapshot(ctx, source)
    _require_plays(ctx)


def _require_plays(ctx: JobContext) -> None:
    """Raise SourceError for a night before the first log and the first counts: the operator mistyped the date."""
    night, date = ctx.night, ctx.night.date.isoformat()
    undated = ("play_counts", "labelled_pairs")  # labelled pairs make no night; only `pmrs evaluate pairs` reads them
    if not any(FORMATS[source.format].table in ("events", *undated) for source in night.sources.sources):
        return  # sources of labelled audio only, for `pmrs evaluate genres`
    pending = [m for m in ctx.pending if m.table.startswith(tuple(f"{name}/" for name in undated))]
    stored = [m for name in undated for m in night.lake.select(name, Partitions.LATEST, date)]
    manifests = [*night.lake.select("events", Partitions.UP_TO, date), *stored, *pending]
    if not any(manifest.rows for manifest in manifests):
        raise SourceError(f"There is no data for {date}: no source has a play up to that date. Take a later one.")
