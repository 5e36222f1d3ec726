"""The account of every input file: lines_in = good + quarantined + blank, with lines_in from an independent reader."""

from collections.abc import Sequence

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
    """Table `ingest_counts`: one row per file of `counted` (`file`, `lines_in`).

    `key`: columns that make two accepted rows the same one; repeats are counted at the file in which they come later.
    """
    rows, zero = parsed.rows, F.lit(0)
    first = rows.groupBy(*key).agg(F.min("file").alias("file"), F.count("*").alias("times"))
    distinct = first.groupBy("file").agg(F.count("*").alias("distinct"))
    late = F.count_if(~F.col("on_time")) if "on_time" in rows.columns else F.lit(0)
    accepted = rows.groupBy("file").agg(F.count("*").alias("accepted"), late.alias("late"))
    whole = counted
    for part in (parsed.account(), distinct, accepted):
        whole = whole.join(part, "file", "left")
    kinds = [F.coalesce(name, zero).alias(name) for name in ("good", "quarantined", "blank", "late")]
    repeats = F.coalesce("accepted", zero) - F.coalesce("distinct", zero)
    return whole.select(F.lit(source.name).alias("source"), "file", "lines_in", *kinds, repeats.alias("duplicates"))


def check(counts: DataFrame, source: Source) -> None:
    """Raise SourceError if a file's account does not balance, or if too much of the source was rejected."""
    open_account = counts.where("lines_in <> good + quarantined + blank").orderBy("file").first()
    if open_account is not None:
        raise SourceError(
            f"Source {source.name}: {open_account['file']} has {open_account['lines_in']} lines but "
            f"{open_account['good']} good, {open_account['quarantined']} quarantined and {open_account['blank']} blank; "
            "it may have changed while it was read: run again."
        )
    total = counts.agg(F.sum("lines_in").alias("lines_in"), F.sum("quarantined").alias("bad"), F.sum("blank").alias("blank")).first()
    bad, lines = (total["bad"] or 0, (total["lines_in"] or 0) - (total["blank"] or 0)) if total else (0, 0)
    if bad > QUARANTINE_LIMIT * lines:
        worst = counts.orderBy(F.desc("quarantined"), "file").first()
        raise SourceError(
            f"Source {source.name}: {bad} of {lines} lines break a rule, more than {QUARANTINE_LIMIT:.0%}; most of them "
            f"in {worst['file'] if worst else source.path}. Mend or remove it, and run again."
        )
