"""Input figures of the report: counts per source, quarantined lines, events per day."""

from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.inputs import file_digests
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.report.facts import Row, rows_of
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS

N_SAMPLES = 3
"""Quarantined lines that are shown per rule."""
KEY = ("source", "rule")
AUDIO = "audio"
"""Name under which the job `mel` quarantines files that it could not decode."""


def accounts(counts: DataFrame) -> list[Row]:
    """Return the counts per source, the largest first."""
    sums = [F.sum(c).alias(c) for c in ("lines_in", "good", "quarantined", "blank", "duplicates", "late", "over_limit")]
    truncated = F.count_if("truncated").alias("truncated")
    per_source = counts.groupBy("source").agg(F.count("*").alias("files"), *sums, truncated)
    return rows_of(per_source.orderBy(F.desc("lines_in"), "source"))


def rejected(quarantine: DataFrame) -> list[Row]:
    """Return the count per source and rule, the largest first, with the first N_SAMPLES lines by file and line number."""
    example = F.struct("file", "line", "reason")
    first = (
        first_of_each(quarantine, N_SAMPLES).groupBy(*KEY).agg(F.sort_array(F.collect_list(example)).alias("samples"))
    )
    counts = quarantine.groupBy(*KEY).agg(F.count("*").alias("count"))
    return rows_of(counts.join(first, [*KEY]).orderBy(F.desc("count"), *KEY))


def first_of_each(quarantine: DataFrame, n: int) -> DataFrame:
    """Return the first `n` rows per source and rule; Spark drops the others before it sorts and shuffles them."""
    by_line = Window.partitionBy(*KEY).orderBy(F.col("file"), F.col("line").asc_nulls_first(), F.col("reason"))
    numbered = quarantine.select(*KEY, "file", "line", "reason").withColumn("position", F.row_number().over(by_line))
    return numbered.where(F.col("position") <= n)


def activity(events: DataFrame, night: str, days: int = 60) -> list[Row]:
    """Return events per day and kind of the last `days` days, and `newest`: Unix time [s] of the last of them.

    An event that was received on several dates counts once.
    """
    day = F.to_date("played_at")
    recent = events.where(day.between(F.date_sub(F.lit(night).cast("date"), days), F.lit(night).cast("date")))
    distinct = recent.dropDuplicates(list(table("events").key))
    counts = distinct.groupBy(day.cast("string").alias("day"), "event").agg(
        F.count("*").alias("count"), F.max(F.unix_seconds("played_at")).alias("newest")
    )
    return rows_of(counts.orderBy("day", "event"))


def read_current_sources(ctx: JobContext, name: str, night_only: bool = False) -> DataFrame:
    """Read a table about input, for the sources in the sources file: all dates of dated sources, the last of snapshots.

    `night_only`: of dated sources only what was received on the night's date. A source whose rows carry their dates has no
    received dates, so that all of it is read.
    """
    sources = ctx.night.sources.sources
    dated = [source.name for source in sources if FORMATS[source.format].dated]
    all_dates = [s.name for s in sources if s.name in dated and not (night_only and _has_received_dates(ctx, s))]
    snapshots = [*(source.name for source in sources if source.name not in dated), AUDIO]
    names_by_partitions = {
        Partitions.DATE: sorted(set(dated) - set(all_dates)), Partitions.UP_TO: all_dates, Partitions.LATEST: snapshots,
    }  # fmt: skip
    frames = [
        ctx.read(name, partitions).where(F.col("source").isin(names))
        for partitions, names in names_by_partitions.items()
    ]
    return reduce(DataFrame.unionByName, frames)


def _has_received_dates(ctx: JobContext, source: Source) -> bool:
    """Return whether the files of a dated source, as last read, each belong to a received date."""
    part = f"ingest_counts/{source.name}"
    dates = ctx.night.lake.dates(part)
    manifest = ctx.night.lake.manifest(part, dates[-1]) if dates else None
    return any(FORMATS[source.format].receipt_date(path) for path in file_digests(manifest.inputs if manifest else {}))
