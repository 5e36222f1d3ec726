"""Everything that has no dates of its own: catalogue, labels, counts, profiles, audio files, wishes to be forgotten.

`pmrs run snapshots --date D`. Each is read whole, once: while its files and the wishes stay the same, later nights point to
the rows that are there. They lie in the night's partition, play counts in that of their as_of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.deletion_requests import with_songs, without_forgotten
from jobs.lake.digest import combined
from jobs.lake.manifest import Manifest, code_version
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.sources.contract import COUNT_TABLES, Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.accounts import account, quarantine_rows
from jobs.sources.ingest.fresh import Inputs, inputs_of, steady, unchanged


@dataclass(frozen=True)
class Config:
    """Nothing to choose: the sources file decides."""


def build_snapshot(rows: DataFrame, name: str, files: Sequence[str]) -> DataFrame:
    """One row per key of the table, and the first `file` of `files` that has it: of repeats the least by content, whole.

    So the order of files does not matter.
    """
    key, first = list(table(name).key), (F.min("file") if len(files) > 1 else F.lit(files[0])).alias("file")
    others = [field for field in table(name).schema if field.name not in key]
    if not others:
        return rows.groupBy(*key).agg(first)
    if len(others) == 1 and not others[0].nullable:
        # the least of a struct or text is found by sorting all rows, that of a number is not
        return rows.groupBy(*key).agg(F.min(others[0].name).alias(others[0].name), first)
    kept = rows.groupBy(*key).agg(F.min(F.struct(*[field.name for field in others])).alias("kept"), first)
    return kept.select(*key, *[F.col(f"kept.{field.name}").alias(field.name) for field in others], "file")


def ingest(ctx: JobContext, source: Source) -> None:
    """Write what one source gives, with its quarantine and its counts; or point to what it gave before."""
    files = FORMATS[source.format].files(source)
    old = [] if ctx.force else _before(ctx, source)
    inputs = _with_wishes(ctx, old[0].inputs, source, files) if old else _wishes(ctx) | inputs_of(source, files)
    if inputs is None:
        ctx.pending += old
    else:
        with steady(source, files):
            _read(ctx, source, files, inputs)


def parts(source: Source) -> dict[str, date | None]:
    """The parts that a source writes, the table's own first, and the date of each where it is not the night's."""
    handler = FORMATS[source.format]
    # counts belong to their as_of; everything else is read by the night as it is now
    own = source.as_of if handler.table in COUNT_TABLES else None
    names = [*sorted(handler.also), "quarantine", "ingest_counts"]
    return {f"{handler.table}/{source.name}": own} | {f"{name}/{source.name}": None for name in names}


def _before(ctx: JobContext, source: Source) -> list[Manifest]:
    """Manifests of what the source gave when it was last read, made out for this night; none where a part is missing."""
    found = []
    for part, on in parts(source).items():
        day = (on or ctx.night.date).isoformat()
        known = [d for d in ctx.night.lake.dates(part) if d <= day]
        old = ctx.night.lake.manifest(part, known[-1]) if known else None
        if old is None or old.code != code_version():
            return []
        found.append(replace(old, date=day, run_id=ctx.night.run_id, seconds=0.0))
    return found if all(m.inputs == found[0].inputs for m in found) else []


def _wishes(ctx: JobContext) -> Inputs:
    """What the rows depend on besides files: the wishes known, those of this very ingest included."""
    # without dates: the same list of wishes, read again for another night, is nothing new
    return {"deletions|": combined({f"{m.table}:{m.digest}": "" for m in _known_wishes(ctx)})}


def _known_wishes(ctx: JobContext) -> list[Manifest]:
    fresh = [m for m in ctx.pending if m.table.startswith("deletions/")]
    return [*ctx.night.lake.select("deletions", Partitions.ALL, ctx.night.date.isoformat()), *fresh]


def _with_wishes(ctx: JobContext, old: Inputs, source: Source, files: list[str]) -> Inputs | None:
    wishes = _wishes(ctx)
    if _of_listeners(source) and old.get("deletions|") != wishes["deletions|"]:
        return wishes | inputs_of(source, files)
    news = unchanged({k: v for k, v in old.items() if k != "deletions|"}, source, files)
    return None if news is None else wishes | news


def _of_listeners(source: Source) -> bool:
    """Whether a table of the source knows users, so that a new wish concerns it."""
    handler = FORMATS[source.format]
    return any("user_id" in table(name).schema.names for name in (handler.table, *handler.also))


def _read(ctx: JobContext, source: Source, files: list[str], inputs: Inputs) -> None:
    handler = FORMATS[source.format]
    counted = handler.count(ctx.spark, source, files)
    parsed = handler.parse(ctx.spark, source, files)
    parsed.lines.persist(StorageLevel.DISK_ONLY)
    once = build_snapshot(parsed.rows, handler.table, files).persist(StorageLevel.DISK_ONLY)
    try:
        counts = account(source, counted, parsed, once)
        others = [build_snapshot(parsed.also[name], name, files) for name in sorted(handler.also)]
        rows: list[DataFrame | list[dict[str, Any]]] = [_without_forgotten(ctx, whole.drop("file")) for whole in (once, *others)]
        rows += [quarantine_rows(parsed, source) if any(row["quarantined"] for row in counts) else [], counts]
        ctx.run_parallel(*[_write(part, on, told, inputs) for (part, on), told in zip(parts(source).items(), rows, strict=True)])
    finally:
        once.unpersist()
        parsed.lines.unpersist()


def _write(part: str, on: date | None, rows: DataFrame | list[dict[str, Any]], inputs: Inputs) -> Callable[[JobContext], None]:
    """What writes the partition of a part: rows of Spark, or the few that are here."""

    def write(ctx: JobContext) -> None:
        if isinstance(rows, DataFrame):
            ctx.write(part, rows, on=on, inputs=inputs)
        else:
            day = (on or ctx.night.date).isoformat()
            ctx.write_local(part, {day: rows}, {day: inputs})
        if on is not None:
            # the source says now that its counts are older than was said before: on those dates, too, they are what is known
            later = [d for d in ctx.night.lake.dates(part) if d > on.isoformat()]
            ctx.pending += [replace(ctx.pending[-1], date=d) for d in later]

    return write


def _without_forgotten(ctx: JobContext, rows: DataFrame) -> DataFrame:
    """The rows without those who asked to be forgotten."""
    if "user_id" not in rows.columns or not any(m.rows for m in _known_wishes(ctx)):
        return rows
    wishes = ctx.read_with_pending("deletions", Partitions.ALL)
    return without_forgotten(rows, with_songs(ctx.night.lake, ctx.spark, wishes) if "song_id" in rows.columns else wishes)


def run(ctx: JobContext) -> None:
    """Reads every snapshot source, wishes first; writes a part per source."""
    night = ctx.night
    snapshots = [source for source in night.sources.sources if not FORMATS[source.format].dated]
    wishes = [source for source in snapshots if FORMATS[source.format].table == "deletions"]
    others = [source for source in snapshots if source not in wishes]
    ordered = [*wishes, *(source for source in others if source.as_of is None or source.as_of <= night.date)]
    for done, source in enumerate(ordered):
        night.on_progress(f"reading {source.name}", done, len(ordered))
        ingest(ctx, source)
    _require_listening(ctx)


def _require_listening(ctx: JobContext) -> None:
    """A night before the first log and the first counts is a slip of the operator's: name it."""
    night, date = ctx.night, ctx.night.date.isoformat()
    undated = ("play_counts", "labelled_pairs")  # labelled pairs make no night; `pmrs evaluate pairs` reads them alone
    if not any(FORMATS[source.format].table in ("events", *undated) for source in night.sources.sources):
        return  # nor does labelled audio, which `pmrs evaluate genres` reads
    fresh = [m for m in ctx.pending if m.table.startswith(tuple(f"{name}/" for name in undated))]
    stored = [m for name in undated for m in night.lake.select(name, Partitions.LATEST, date)]
    known = [*night.lake.select("events", Partitions.UP_TO, date), *stored, *fresh]
    if not any(manifest.rows for manifest in known):
        raise SourceError(f"There is no data for {date}: no source has a play up to that date. Take a later one.")
