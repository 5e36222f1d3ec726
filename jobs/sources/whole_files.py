"""Formats that Python reads file by file on the executors, in batches, with rejected rows or files among the good ones."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from jobs.lake.schemas.columns import Table
from jobs.sources.contract import Parsed
from jobs.sources.layout import blank_lines, rejected_lines
from jobs.sources.lines import spread

ReadFile = Callable[[str], Iterator[pd.DataFrame]]
"""Path in; frames out with the table's columns (good rows) or with `line`, `rule`, `reason` (rejected), never both."""


def parse_files(spark: SparkSession, files: Sequence[str], table: Table, read: ReadFile) -> Parsed:
    """Rows and rejects of files that `read` takes apart, many files at a time on the executors."""
    schema = StructType(
        [
            StructField("file", StringType()),
            StructField("line", LongType()),
            StructField("rule", StringType()),
            StructField("reason", StringType()),
            *[StructField(column.name, column.dataType) for column in table.schema],
        ]
    )
    found = spread(spark, files).mapInPandas(_reader(read, schema.names), schema)
    kind = F.when(F.col("rule").isNull(), "good").otherwise("quarantined")
    lines = found.withColumns({"kind": kind, "raw": F.lit(None).cast("binary")})
    return Parsed(
        lines=lines,
        rows=lines.where("kind = 'good'").select("file", *table.schema.names),
        rejected=rejected_lines(lines, F.col("reason")),
        blank=blank_lines(lines),
    )


def _reader(read: ReadFile, names: list[str]) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for path in batch["file"]:
                for frame in read(path):
                    yield frame.assign(file=path).reindex(columns=names).astype(object).pipe(_nulls)

    return run


def _nulls(frame: pd.DataFrame) -> pd.DataFrame:
    """Every kind of missing value as None, which alone becomes null in every Arrow type."""
    return pd.DataFrame({name: [None if gone else v for v, gone in zip(c, c.isna(), strict=True)] for name, c in frame.items()})


def reject(rule: str, reason: str, lines: Sequence[int | None] = (None,)) -> pd.DataFrame:
    """Rejected rows by their 1-based numbers, or the whole file (None)."""
    return pd.DataFrame({"line": pd.Series(list(lines), dtype=object), "rule": rule, "reason": reason})
