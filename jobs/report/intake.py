"""What came in and what was refused, as the report tells it: accounts per source, rejected lines, events per day."""

from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.report.facts import Row, rows_of
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS

SAMPLES = 3
"""Rejected lines shown per rule."""
BY = ("source", "rule")
AUDIO = "audio"
"""What the job `mel` calls the source of files that it could not decode."""


def accounts(counts: DataFrame) -> list[Row]:
    """Per source, largest first."""
    sums = [F.sum(c).alias(c) for c in ("lines_in", "good", "quarantined", "blank", "duplicates", "late", "over_limit")]
    cut = F.count_if("truncated").alias("truncated")
    per_source = counts.groupBy("source").agg(F.count("*").alias("files"), *sums, cut)
    return rows_of(per_source.orderBy(F.desc("lines_in"), "source"))


def rejected(quarantine: DataFrame) -> list[Row]:
    """Per source and rule, most frequent first, with SAMPLES examples: the first by file and line, and never more are held."""
    example = F.struct("file", "line", "reason")
    shown = first_of_each(quarantine, SAMPLES).groupBy(*BY).agg(F.sort_array(F.collect_list(example)).alias("samples"))
    counted = quarantine.groupBy(*BY).agg(F.count("*").alias("count"))
    return rows_of(counted.join(shown, [*BY]).orderBy(F.desc("count"), *BY))


def first_of_each(quarantine: DataFrame, most: int) -> DataFrame:
    """The first `most` rows per source and rule; Spark leaves the others out before it sorts and sends them."""
    order = Window.partitionBy(*BY).orderBy(F.col("file"), F.col("line").asc_nulls_first(), F.col("reason"))
    placed = quarantine.select(*BY, "file", "line", "reason").withColumn("place", F.row_number().over(order))
    return placed.where(F.col("place") <= most)


def activity(events: DataFrame, night: str, days: int = 60) -> list[Row]:
    """Events per day and kind of the last `days` days, and `newest`: Unix time (s) of the last of them.

    What was received on several dates counts once, as everywhere.
    """
    day = F.to_date("played_at")
    recent = events.where(day.between(F.date_sub(F.lit(night).cast("date"), days), F.lit(night).cast("date")))
    once = recent.dropDuplicates(list(table("events").key))
    counted = once.groupBy(day.cast("string").alias("day"), "event").agg(
        F.count("*").alias("count"), F.max(F.unix_seconds("played_at")).alias("newest")
    )
    return rows_of(counted.orderBy("day", "event"))


def of_present_sources(ctx: JobContext, name: str, of_the_night: bool = False) -> DataFrame:
    """A table about the input of the sources that are still read: of timed ones all that ever came, of snapshots the last.

    `of_the_night`: of timed ones what was received on its date; where rows tell their dates, all that was read.
    """
    sources = ctx.night.sources.sources
    dated = [source.name for source in sources if FORMATS[source.format].dated]
    told = [source.name for source in sources if source.name in dated and not (of_the_night and _has_dates(ctx, source))]
    others = [*(source.name for source in sources if source.name not in dated), AUDIO]
    picks = {
        Partitions.DATE: sorted(set(dated) - set(told)), Partitions.UP_TO: told, Partitions.LATEST: others,
    }  # fmt: skip
    return reduce(DataFrame.unionByName, [ctx.read(name, rule).where(F.col("source").isin(some)) for rule, some in picks.items()])


def _has_dates(ctx: JobContext, source: Source) -> bool:
    """Whether the files of a timed source each belong to a received date, as those say that were last read."""
    part = f"ingest_counts/{source.name}"
    dates = ctx.night.lake.dates(part)
    read = ctx.night.lake.manifest(part, dates[-1]) if dates else None
    paths = [label.removeprefix("file|") for label in (read.inputs if read else ()) if label.startswith("file|")]
    return any(FORMATS[source.format].receipt_date(path) for path in paths)
