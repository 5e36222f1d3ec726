"""The account of every input file: lines_in = good + quarantined + blank, with lines_in from an independent reader."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import QUARANTINE_LIMIT, Parsed, Source
from jobs.sources.lines import locate


def quarantine_rows(parsed: Parsed, source: Source) -> DataFrame:
    """Table `quarantine` (and `dt` where the format is dated): rejected input with its line numbers, bytes as base64."""
    rejected = locate(parsed.rejected)
    raw = F.base64(F.col("raw")).alias("raw")
    dated = [name for name in ("dt",) if name in rejected.columns]
    return rejected.select(F.lit(source.name).alias("source"), "file", "line", "rule", "reason", raw, *dated)


def account(source: Source, counted: DataFrame, parsed: Parsed, key: Sequence[str]) -> DataFrame:
    """Table `ingest_counts`: one row per file of `counted` (`file`, `lines_in`), computed once and held.

    `key`: columns that make two accepted rows the same one; repeats are counted at the file in which they come later.
    Raises SourceError if a file's account does not balance, or if too much of the source was rejected.
    """
    counts = counted.sparkSession.createDataFrame(_counted(source, counted, parsed, key).toArrow())
    _check(counts.toArrow().to_pylist(), source, parsed)
    return counts


def _counted(source: Source, counted: DataFrame, parsed: Parsed, key: Sequence[str]) -> DataFrame:
    rows, zero = parsed.rows, F.lit(0).cast("long")
    first = rows.groupBy(*key).agg(F.min("file").alias("file"))
    distinct = first.groupBy("file").agg(F.count("*").alias("distinct"))
    late = F.count_if(~F.col("on_time")) if "on_time" in rows.columns else F.lit(0)
    accepted = rows.groupBy("file").agg(F.count("*").alias("accepted"), late.alias("late"))
    whole = counted
    for part in (parsed.account(), distinct, accepted):
        whole = whole.join(part, "file", "left")
    kinds = [F.coalesce(name, zero).cast("long").alias(name) for name in ("good", "quarantined", "blank", "late")]
    repeats = F.coalesce("accepted", zero) - F.coalesce("distinct", zero)
    return whole.select(F.lit(source.name).alias("source"), "file", "lines_in", *kinds, repeats.alias("duplicates"))


def _check(counts: list[dict[str, Any]], source: Source, parsed: Parsed) -> None:
    for row in sorted(counts, key=lambda row: str(row["file"])):
        if row["lines_in"] != row["good"] + row["quarantined"] + row["blank"]:
            raise SourceError(
                f"Source {source.name}: {row['file']} has {row['lines_in']} lines but {row['good']} good, "
                f"{row['quarantined']} quarantined and {row['blank']} blank; it may have changed while it was read: "
                "run again."
            )
    bad = sum(row["quarantined"] for row in counts)
    lines = sum(row["lines_in"] - row["blank"] for row in counts)
    if bad > QUARANTINE_LIMIT * lines:
        worst = max(counts, key=lambda row: (row["quarantined"], str(row["file"])))
        raise SourceError(
            f"Source {source.name}: {bad} of {lines} lines break a rule, more than {QUARANTINE_LIMIT:.0%}; most of them "
            f"in {worst['file']}, most often: {_commonest(parsed)}. Mend or remove it, and run again."
        )


def _commonest(parsed: Parsed) -> str:
    """The reason for which most lines were rejected."""
    reasons = parsed.rejected.groupBy("reason").count().orderBy(F.desc("count"), "reason").first()
    return str(reasons["reason"]) if reasons else "no reason"
