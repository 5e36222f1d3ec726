"""Formats that Python reads on the executors, in batches: files, or parts of them, with rejected lines among the good ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from jobs.lake.schemas.columns import Table
from jobs.sources.contract import Parsed
from jobs.sources.layout import blank_lines, rejected_lines
from jobs.sources.reading.lines import spread

ReadFile = Callable[[str], Iterator[pd.DataFrame]]
"""Path in; frames out with the table's columns (good rows) or with `line`, `rule`, `reason` (rejected), never both.

A column `kind` says what is not plain from that: `blank` lines, and rows that are MORE.
"""
ReadPart = Callable[..., Iterator[pd.DataFrame]]
"""The same for a part of a file: the path and what else tells the part in."""
MORE = "more"
"""Kind of a row that is taken, but is no line of its own: its line is counted by another row of good, quarantined or blank."""
ACCOUNT = ("file", "line", "kind", "rule", "reason")


def parse_files(spark: SparkSession, files: Sequence[str], table: Table, read: ReadFile) -> Parsed:
    """Rows and rejects of files that `read` takes apart, many files at a time on the executors."""
    return as_parsed_rows(read_parts(spread(spark, files), table.schema, read), table)


def read_parts(parts: DataFrame, columns: StructType, read: ReadPart) -> DataFrame:
    """What `read` makes of each row of `parts` (`file`, and what else it takes): the columns of ACCOUNT, `raw`, and `columns`."""
    kept = [StructField(column.name, column.dataType) for column in columns]
    texts = [StructField(name, LongType() if name == "line" else StringType()) for name in ACCOUNT]
    schema = StructType([*texts, *kept])
    found = parts.mapInPandas(_reader(read, schema.names), schema)
    kind = F.coalesce("kind", F.when(F.col("rule").isNull(), "good").otherwise("quarantined"))
    return found.withColumns({"kind": kind, "raw": F.lit(None).cast("binary")})


def as_parsed_rows(lines: DataFrame, table: Table) -> Parsed:
    """The frames of the contract, cut from what `read_parts` gave."""
    return Parsed(
        lines=lines,
        rows=lines.where(F.col("kind").isin("good", MORE)).select("file", *table.schema.names),
        rejected=rejected_lines(lines, F.col("reason")),
        blank=blank_lines(lines),
    )


def _reader(read: ReadPart, names: list[str]) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for part in batch.itertuples(index=False):
                for frame in read(*part):
                    yield frame.assign(file=part[0]).reindex(columns=names).pipe(_nulls)

    return run


def _nulls(frame: pd.DataFrame) -> pd.DataFrame:
    """Every kind of missing value as None, which alone becomes null in every Arrow type."""
    return pd.DataFrame({name: _with_none(column) for name, column in frame.items()})


def _with_none(column: pd.Series) -> pd.Series:
    gone = column.isna()
    if len(column) and not gone.any():
        return column
    return pd.Series([None if g else value for value, g in zip(column, gone, strict=True)], column.index, dtype=object)


def reject(rule: str, reason: str, lines: Sequence[int | None] = (None,)) -> pd.DataFrame:
    """Rejected rows by their 1-based numbers, or the whole file (None)."""
    return pd.DataFrame({"line": pd.Series(list(lines), dtype=object), "rule": rule, "reason": reason})


def skip(line: int) -> pd.DataFrame:
    """A line that is blank."""
    return pd.DataFrame({"line": [line], "kind": ["blank"]})


def in_batches(frames: Iterator[pd.DataFrame], rows: int = 1_000) -> Iterator[pd.DataFrame]:
    """Small frames put together: each one that goes to Spark costs as much as a thousand rows."""
    waiting: list[pd.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(map(len, waiting)) >= rows:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One frame of any type: a concatenation of its own accord would guess types from the missing values."""
    columns: dict[str, list[Any]] = {name: [] for frame in frames for name in frame.columns}
    for frame in frames:
        for name, values in columns.items():
            values.extend(frame[name] if name in frame.columns else [None] * len(frame))
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
